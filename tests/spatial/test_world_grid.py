"""Grids in the world."""

import pytest
import torch

from common.spatial import Grid, affine_places, center_of, grid, place_centered, voxel_to_world

AFFINE = torch.tensor([[0.0, -3, 0, 10], [2, 0, 0, 20], [0, 0, 1.5, -30], [0, 0, 0, 1]]).double()
GRID = Grid((5, 6, 7), AFFINE)


def test_grid_spacing_is_the_length_of_the_columns() -> None:
    assert GRID.spacing.tolist() == [2, 3, 1.5]


def test_grid_map_to_itself_is_the_identity() -> None:
    mapped = GRID.map_to(AFFINE)
    assert mapped.shape == (1, 3, 5, 6, 7)
    assert mapped.dtype == torch.float32
    assert mapped[0, :, 1, 2, 3].tolist() == pytest.approx([1, 2, 3], abs=1e-6)


def test_grid_map_to_another_by_hand() -> None:
    """World millimeters as voxels: (1, 2, 3) lies at (10 - 6, 20 + 2, -30 + 4.5)."""
    assert GRID.map_to(torch.eye(4))[0, :, 1, 2, 3].tolist() == [4, 22, -25.5]


@pytest.mark.parametrize("shape", [(5, 6, 7), (4, 3)])
def test_affine_places_are_those_of_every_voxel(shape: tuple[int, ...]) -> None:
    matrix = torch.randn(len(shape) + 1, len(shape) + 1, generator=torch.Generator().manual_seed(0)).double()
    voxels = torch.stack(torch.meshgrid(*map(torch.arange, shape), indexing="ij"), dim=-1).double()
    places = affine_places(matrix, shape)
    torch.testing.assert_close(places.movedim(0, -1).double(), voxel_to_world(voxels, matrix), atol=1e-5, rtol=1e-6)


def test_grid_slabs_are_the_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "SLAB", 2 * 6 * 7)
    parts = list(GRID.slabs())
    assert [planes for planes, _ in parts] == [slice(0, 2), slice(2, 4), slice(4, 5)]
    torch.testing.assert_close(torch.cat([part.map_to(AFFINE) for _, part in parts], dim=2), GRID.map_to(AFFINE))


def test_center_of_by_hand() -> None:
    assert center_of(GRID).tolist() == [10 - 3 * 2.5, 20 + 2 * 2, -30 + 1.5 * 3]


@pytest.mark.parametrize("shape", [(5, 6, 7), (1, 6, 2), (4, 3)])
def test_place_centered_is_centered(shape: tuple[int, ...]) -> None:
    dims = len(shape)
    center = torch.tensor([4.0, -5.0, 6.0])[:dims].double()
    grid = place_centered(shape, AFFINE[:dims, :dims], center)
    torch.testing.assert_close(center_of(grid), center)
    torch.testing.assert_close(grid.affine[:-1, :-1], AFFINE[:dims, :dims])
    assert grid.shape == shape


def test_grid_affine_3d_takes_what_a_slice_lacks_from_its_place() -> None:
    slice_ = Grid((5, 6), torch.tensor([[2.0, 0, 5], [0, 3, 6], [0, 0, 1]]).double())
    assert slice_.affine_3d().tolist() == [[2, 0, 0, 5], [0, 3, 0, 6], [0, 0, 1, 0], [0, 0, 0, 1]]
    place = torch.diag(torch.tensor([9.0, 9, 8, 1])).double()
    place[2, 3] = 33
    assert slice_.affine_3d(place).tolist() == [[2, 0, 0, 5], [0, 3, 0, 6], [0, 0, 8, 33], [0, 0, 0, 1]]
    assert torch.equal(GRID.affine_3d(), AFFINE)
