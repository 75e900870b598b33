import pytest
import torch
from scipy.spatial.transform import Rotation

from common.spatial import affine_displacement, identity_grid


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


def test_matrix_of_another_dimension_raises() -> None:
    with pytest.raises(ValueError, match=r"'matrix' of shape \(B, 3, 3\), got \(1, 4, 4\)"):
        affine_displacement(torch.eye(4)[None], (4, 5))
