"""The grid of a scan."""

import pytest
import torch
from monai.data import MetaTensor

from common.io import grid_of

AFFINE = torch.tensor([[0.0, -3, 0, 10], [2, 0, 0, 20], [0, 0, 1.5, -30], [0, 0, 0, 1]]).double()


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 7)])
def test_grid_of_drops_the_axis_that_a_slice_lacks(shape: tuple[int, ...]) -> None:
    grid = grid_of(MetaTensor(torch.zeros(1, *shape), affine=AFFINE))
    keep = [0, 1, 3] if len(shape) == 2 else [0, 1, 2, 3]
    assert grid.shape == shape
    assert torch.equal(grid.affine, AFFINE[keep][:, keep])
