"""Long computations tell how far they are."""

from collections.abc import Callable

import torch

from common.optimization import adam_instance_optimization, advance, correlation_volume, listening


def told(compute: Callable[[], object]) -> list[tuple[str, int, int]]:
    lines: list[tuple[str, int, int]] = []
    with listening(lambda *line: lines.append(line)):
        compute()
    advance("nobody listens any more", 1, 1)
    return lines


def test_nobody_listens_by_default() -> None:
    advance("anything", 1, 2)


def test_instance_optimization_tells_every_iteration() -> None:
    features, ddf = torch.rand(1, 2, 5, 6, 7), torch.zeros(1, 3, 10, 12, 14)
    lines = told(lambda: adam_instance_optimization(features, features.flip(2), ddf, iterations=3))
    assert lines == [("optimization", n, 3) for n in (1, 2, 3)]


def test_correlation_tells_every_row() -> None:
    features = torch.rand(1, 2, 5, 6, 7)
    lines = told(lambda: correlation_volume(features, features, 2))
    assert lines == [("correlation", n, 5) for n in range(1, 6)]
