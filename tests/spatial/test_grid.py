import torch

from common.spatial import identity_grid, to_normalized
from common.spatial.grid import _cached


def test_identity_grid_counts_along_its_axis() -> None:
    grid = identity_grid((2, 3, 4))
    assert grid.shape == (3, 2, 3, 4)
    assert grid[:, 1, 2, 3].tolist() == [1, 2, 3]
    assert grid[:, 1, 0, 2].tolist() == [1, 0, 2]


def test_identity_grid_is_made_once_for_each_shape_and_type() -> None:
    assert identity_grid((5, 6, 7)) is identity_grid(torch.Size((5, 6, 7)), device="cpu")
    assert identity_grid((5, 6, 7), torch.float64).dtype == torch.float64
    assert identity_grid((7, 6, 5)).shape == (3, 7, 6, 5)
    assert _cached.cache_info().maxsize == 16


def test_identity_grid_made_for_inference_serves_training() -> None:
    _cached.cache_clear()
    with torch.inference_mode():
        identity_grid((3, 4))
    weight = torch.ones(1, requires_grad=True)
    (identity_grid((3, 4)) * weight).sum().backward()
    assert weight.grad == identity_grid((3, 4)).sum()


def test_to_normalized_reverses_the_axes() -> None:
    corners = torch.tensor([[0.0, 4.0], [0.0, 2.5], [6.0, 0.0]])[None]  # i, j, k of two points
    assert to_normalized(corners, (5, 6, 7)).tolist() == [[[1.0, -1.0, -1.0], [-1.0, 0.0, 1.0]]]


def test_normalization_survives_an_axis_of_one_voxel() -> None:
    coordinates = torch.tensor([[2.0], [0.0]])[None]
    assert to_normalized(coordinates, (5, 1)).tolist() == [[[-1.0, 0.0]]]
