"""One warp by matching, and the difference that tells which of several fields fits."""

from typing import Any

import pytest
import torch
from torch import Tensor

from common.optimization import Described, enforce_consistency, match_features, mean_difference


def described(features: Tensor) -> Described:
    return Described(features, torch.ones_like(features[:, :1]))


def test_difference_is_a_mean_of_squares() -> None:
    fixed, warped = torch.zeros(2, 3, 4, 5), torch.ones(2, 3, 4, 5)
    warped[1] *= 2
    torch.testing.assert_close(mean_difference(described(fixed), described(warped)), torch.tensor([1.0, 4.0]))


def test_difference_counts_only_what_both_know() -> None:
    fixed, warped = torch.zeros(1, 2, 2, 3), torch.tensor([1.0, 3.0, 9.0]).expand(1, 2, 2, 3)
    fixed_seen, warped_seen = torch.tensor([1.0, 1.0, 0.0]), torch.tensor([0.0, 1.0, 1.0])
    seen = [each.expand(1, 1, 2, 3) for each in (fixed_seen, warped_seen)]
    assert mean_difference(Described(fixed, seen[0]), Described(warped, seen[1])).item() == 9.0
    assert mean_difference(Described(fixed, seen[0]), Described(warped, 1 - seen[0])).item() == 0.0  # nothing


@pytest.mark.parametrize("shape", [(12, 14), (10, 12, 11)])
def test_matching_finds_a_shift(shape: tuple[int, ...]) -> None:
    moving = 10 * torch.rand(1, 4, *shape, generator=torch.Generator().manual_seed(0))
    fixed = moving.roll(-1, 2)
    ddf = match_features(described(fixed), described(moving), radius=2)
    middle: Any = (..., *[slice(3, -3)] * len(shape))
    inside = ddf[middle]
    assert (inside[:, 0] - 1).abs().mean() < 0.1
    assert inside[:, 1:].abs().mean() < 0.1


def test_matching_is_consistent_after_its_iterations() -> None:
    first, second = (described(torch.rand(1, 4, 8, 9, 7, generator=torch.Generator().manual_seed(s))) for s in (0, 1))
    forth, back = (match_features(*pair, 2, 0) for pair in ((first, second), (second, first)))
    torch.testing.assert_close(match_features(first, second, 2, 3), enforce_consistency(forth, back, 3)[0])


def test_matching_raises() -> None:
    features = described(torch.rand(1, 2, 4, 4))
    with pytest.raises(ValueError, match="match_features\\(\\) expects 'consistency_iterations' of 0 or more, got -1"):
        match_features(features, features, 1, -1)
    with pytest.raises(ValueError, match="mean_difference\\(\\) expects 'warped' of shape"):
        mean_difference(features, described(torch.rand(1, 2, 4, 5)))
