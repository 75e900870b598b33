from collections.abc import Callable

import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from common.spatial import affine_displacement, affine_in_voxels, identity_grid


def test_displacement_leads_where_the_matrix_does() -> None:
    shape = (5, 6, 7)
    matrix = torch.eye(4).double()
    matrix[:3, :3] = torch.from_numpy(1.1 * Rotation.from_euler("xyz", (10, -20, 30), degrees=True).as_matrix())
    matrix[:3, 3] = torch.tensor([1.0, -2, 0.5])
    there = identity_grid(shape, torch.float64) + affine_displacement(matrix[None], shape)[0]
    corner = torch.tensor([4.0, 0, 6]).double()
    middle = torch.tensor([2, 2.5, 3]).double()
    torch.testing.assert_close(there[:, 4, 0, 6], matrix[:3, :3] @ (corner - middle) + matrix[:3, 3] + middle)


def test_identity_moves_nothing() -> None:
    assert not affine_displacement(torch.eye(3).expand(2, 3, 3), (4, 5)).any()


@pytest.mark.parametrize("function", [affine_displacement, affine_in_voxels])
def test_matrix_of_another_dimension_raises(function: Callable[..., Tensor]) -> None:
    with pytest.raises(
        ValueError, match=rf"{function.__name__}\(\) expects 'matrix' of shape \(B, 3, 3\), got \(1, 4, 4\)"
    ):
        function(torch.eye(4)[None], (4, 5))


def test_half_sides_become_voxels() -> None:
    """The corner of an image goes to the middle of its side, by halves of the sides of any grid over it."""
    matrix = torch.tensor([[[0.0, 0, 1], [0, 1, 0], [0, 0, 1]]])
    in_voxels = affine_in_voxels(matrix, (20, 10))[0]
    torch.testing.assert_close(in_voxels @ torch.tensor([-10.0, -5, 1]), torch.tensor([10.0, -5, 1]))


def test_shift_is_that_of_the_middles() -> None:
    """Every second voxel of an image, from the first, is a grid whose middle lies half a voxel before the image's."""
    matrix = torch.tensor([[[1.1, 0.2, 0.1], [-0.3, 0.9, 0.2], [0, 0, 1]]])
    fine = affine_displacement(affine_in_voxels(matrix, (8, 6)), (8, 6))
    coarse = affine_displacement(affine_in_voxels(matrix, (4, 3), shift=0.25), (4, 3))
    torch.testing.assert_close(coarse, fine[..., ::2, ::2] / 2)
