from collections.abc import Callable

import pytest
import torch

from common.losses import DisplacementSmoothness


def test_translation_is_smooth() -> None:
    assert DisplacementSmoothness()(torch.ones(1, 3, 4, 5, 6)) == 0


@pytest.mark.parametrize("dims", [2, 3])
def test_stretch_costs_its_square(dims: int) -> None:
    ddf = torch.zeros(1, dims, *[4, 5, 6][:dims])
    ddf[:, 0] = 0.5 * torch.arange(5.0).view(5, *[1] * (dims - 2))  # shear along the second axis
    assert DisplacementSmoothness()(ddf).item() == pytest.approx(0.25 / dims)


def test_alternating_field_is_not_smooth() -> None:
    ddf = torch.zeros(1, 2, 6, 6)
    ddf[:, 0, ::2] = 1
    assert DisplacementSmoothness()(ddf).item() == pytest.approx(0.5)


def test_half_of_it_is_the_penalty_of_the_volume_tweening_network(oracle: Callable) -> None:
    """Which sums over the batch, and divides by all voxels, although an axis of n has n - 1 differences."""
    recorded = oracle("000_vtn_ops")
    ddf = torch.from_numpy(recorded["flow_inside"]).movedim(-1, 1)
    along = []
    for axis in range(2, ddf.ndim):
        rows = ddf.movedim((1, axis), (-2, -1)).flatten(0, -3)  # (B * others, d, size), a field of one axis
        along.append(DisplacementSmoothness()(rows))
    torch.testing.assert_close(torch.stack(along).mean(), DisplacementSmoothness()(ddf))
    theirs = sum(each * (size - 1) / size for each, size in zip(along, ddf.shape[2:], strict=True)) / 3
    assert len(ddf) * 0.5 * theirs.item() == pytest.approx(float(recorded["regularize_loss"]), abs=1e-4)
