"""The grid of a scan."""

import pytest
import torch
from monai.data import MetaTensor

from common.io import grid_of, largest_distance

AFFINE = torch.tensor([[0.0, -3, 0, 10], [2, 0, 0, 20], [0, 0, 1.5, -30], [0, 0, 0, 1]]).double()


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 7)])
def test_grid_of_drops_the_axis_that_a_slice_lacks(shape: tuple[int, ...]) -> None:
    grid = grid_of(MetaTensor(torch.zeros(1, *shape), affine=AFFINE))
    keep = [0, 1, 3] if len(shape) == 2 else [0, 1, 2, 3]
    assert grid.shape == shape
    assert torch.equal(grid.affine, AFFINE[keep][:, keep])


def test_largest_distance_is_that_of_a_corner() -> None:
    turned = torch.diag(torch.tensor([1.0, 1, 1, 1])).double()
    turned[:2, :2] = torch.tensor([[0.0, -1], [1, 0]])
    still = torch.eye(4).double()
    assert largest_distance((4, 5, 6), still, still) == 0
    assert largest_distance((4, 5, 6), still, turned) == pytest.approx(2**0.5 * (3**2 + 4**2) ** 0.5)
