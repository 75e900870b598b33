"""The model of the feature distance near a field, against the distance itself."""

import pytest
import torch
from torch import Tensor

from common.optimization import EXACT, REFERENCE, FeatureDistance, Scheme
from common.spatial import identity_grid

SHAPES = [(2, 3, 5, 6, 7), (1, 4, 6, 5)]


def random_case(shape: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    fixed, moving = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    return fixed, moving, torch.randn(shape[0], len(shape) - 2, *shape[2:], generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("scheme", [EXACT, REFERENCE])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("partly", [False, True])
def test_it_touches_the_distance_where_it_was_made(shape: tuple[int, ...], scheme: Scheme, partly: bool) -> None:
    fixed, moving, ddf = random_case(shape)
    known = (torch.rand(shape[0], 1, *shape[2:], generator=torch.Generator().manual_seed(1)) > 0.3) if partly else None
    distance = FeatureDistance(fixed, moving, scheme, known)
    ddf.requires_grad_()
    results = [function(ddf) for function in (distance.of_samples, distance.about(ddf))]
    torch.testing.assert_close(*results)
    torch.testing.assert_close(*[torch.autograd.grad(result.sum(), ddf)[0] for result in results])


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_the_distance_of_features_that_are_linear(shape: tuple[int, ...]) -> None:
    fixed, _, _ = random_case(shape)
    slopes = torch.randn(shape[1], len(shape) - 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    ramps = torch.einsum("cd,d...->c...", slopes, identity_grid(shape[2:], torch.float64)).expand(shape)
    distance = FeatureDistance(fixed, ramps)
    center = (torch.tensor(shape[2:], dtype=torch.float64) - 1) / 2
    inwards = (center.view(-1, *[1] * len(center)) - identity_grid(shape[2:], torch.float64)).expand(
        shape[0], -1, *shape[2:]
    )
    begin, end = 0.4 * inwards, 0.7 * inwards
    torch.testing.assert_close(distance.about(begin)(end), distance.of_samples(end))


def test_elsewhere_than_on_a_cpu_it_is_the_distance(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.optimization.feature_distance._Table", lambda *_: None)
    fixed, moving, ddf = random_case(SHAPES[0])
    distance = FeatureDistance(fixed, moving)
    torch.testing.assert_close(distance.about(ddf)(ddf + 2), distance.of_samples(ddf + 2))


@pytest.mark.parametrize("shape", SHAPES)
def test_gradient(shape: tuple[int, ...]) -> None:
    fixed, moving, ddf = random_case(shape)
    near = FeatureDistance(fixed, moving).about(ddf)
    there = (ddf + 0.3).requires_grad_()
    assert torch.autograd.gradcheck(near, there, fast_mode=True)
