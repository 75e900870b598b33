from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from common.spatial import folding_percent, identity_grid, jacobian_determinant, unfold


def folds(ddf: Tensor) -> float:
    return folding_percent(jacobian_determinant(ddf, crop=0)).max().item()


def scaled_until_folded(noise: Tensor, percent: float) -> Tensor:
    """Scale a field until that many percent of its voxels fold."""
    low, high = 0.0, 100.0
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if folds(noise * middle) > percent else (middle, high)
    return noise * high


@pytest.mark.parametrize("cell", [3, 8])
@pytest.mark.parametrize("spatial_shape", [(40, 44), (20, 22, 24)], ids=["2d", "3d"])
@pytest.mark.parametrize("percent", [1, 10])
def test_unfold_leaves_no_fold(
    smooth_noise: Callable[..., Tensor], spatial_shape: tuple[int, ...], cell: int, percent: float
) -> None:
    ddf = scaled_until_folded(smooth_noise(spatial_shape, 1.0, cell), percent)
    assert folds(ddf) >= percent
    assert folds(unfold(ddf)) == 0


def test_unfold_changes_the_neighborhood_only() -> None:
    ddf = 0.1 * torch.randn(1, 3, 25, 26, 27)
    ddf[:, 1, 12, 12, 12] = 5
    repaired = unfold(ddf)
    assert folds(repaired) == 0
    changed = (repaired != ddf).any(dim=1)[0].nonzero()
    assert len(changed) > 0
    assert (changed - 12).abs().max() <= 5


def test_unfold_changes_little(smooth_noise: Callable[..., Tensor]) -> None:
    ddf = scaled_until_folded(smooth_noise((24, 26, 28), 1.0, 8), 1)
    change = (unfold(ddf) - ddf).norm(dim=1)
    assert (change > 0).float().mean() < 0.2
    assert change.mean() < 0.02 * ddf.norm(dim=1).mean()


def test_unfold_repairs_the_border() -> None:
    ddf = torch.zeros(1, 3, 9, 10, 11)
    ddf[:, 0, 0, 5, 5] = 3
    ddf[:, 2, 4, 5, -1] = -3
    ddf[:, 1, -1, -1, -1] = -3
    assert (jacobian_determinant(ddf) > 0).all()  # none of this shows within the crop
    assert folds(ddf) > 0
    assert folds(unfold(ddf)) == 0


def test_unfold_returns_a_sound_field_to_the_bit(shape: tuple[int, ...]) -> None:
    ddf = 0.1 * torch.randn(2, len(shape), *shape)
    assert torch.equal(unfold(ddf), ddf)
    squeezed = -0.99 * identity_grid(shape)[None]  # a determinant below `minimum`, but no fold
    assert torch.equal(unfold(squeezed), squeezed)


def test_unfold_leaves_sound_items_of_a_batch_and_its_input_alone() -> None:
    ddf = 0.1 * torch.randn(2, 2, 16, 17)
    ddf[1, 0, 8, 8] = 4
    before = ddf.clone()
    repaired = unfold(ddf)
    assert torch.equal(ddf, before)
    assert torch.equal(repaired[0], ddf[0])
    assert folds(repaired) == 0


def test_unfold_exceeds_the_minimum_where_it_repairs() -> None:
    ddf = torch.zeros(1, 2, 16, 17)
    ddf[0, 0, 8, 8] = 4
    assert jacobian_determinant(unfold(ddf, minimum=0.0), crop=0).min() < 0.9
    assert jacobian_determinant(unfold(ddf, minimum=0.9), crop=0).min() > 0.9


def test_unfold_gives_up_on_a_reflection() -> None:
    reflection = torch.zeros(1, 2, 7, 8)
    reflection[:, 0] = -2 * identity_grid((7, 8))[0]
    repaired = unfold(reflection, iterations=2)
    assert repaired.isfinite().all()
    assert folds(repaired) > 0


def test_unfold_rejects_wrong_input() -> None:
    with pytest.raises(ValueError, match=r"unfold\(\) expects 'ddf' of shape \(1, 2, 6, 7\), got \(1, 3, 6, 7\)\."):
        unfold(torch.zeros(1, 3, 6, 7))
    with pytest.raises(ValueError, match=r"unfold\(\) expects 'minimum' of 0 or more, got -1\."):
        unfold(torch.zeros(1, 2, 6, 7), minimum=-1)
    with pytest.raises(ValueError, match=r"unfold\(\) expects 'iterations' of 1 or more, got 0\."):
        unfold(torch.zeros(1, 2, 6, 7), iterations=0)
