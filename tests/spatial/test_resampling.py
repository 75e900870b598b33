"""One interpolation between two grids."""

import numpy as np
import pytest
import torch

from common.spatial import Grid, average_voxels, resample, voxel_to_world

AFFINE = torch.tensor([[0.0, -3, 0, 10], [2, 0, 0, 20], [0, 0, 1.5, -30], [0, 0, 0, 1]]).double()
GRID = Grid((5, 6, 7), AFFINE)


def scaled(affine: torch.Tensor, factors: list[float], shift: list[float]) -> torch.Tensor:
    """Affine of voxels that are ``factors`` times as large, the first of them ``shift`` old voxels further on."""
    matrix = torch.diag(torch.tensor([*factors, 1.0]).double())
    matrix[:-1, -1] = torch.tensor(shift).double()
    return affine @ matrix


def linear(grid: Grid) -> torch.Tensor:
    """A scan ``(1, 1, *shape)`` that is linear in the world."""
    points = torch.cartesian_prod(*[torch.arange(n).double() for n in grid.shape])
    world = voxel_to_world(points, grid.affine)
    slopes = torch.tensor([1.0, -2.0, 0.5])[: len(grid.shape)].double()
    return (world @ slopes).reshape(1, 1, *grid.shape).float()


def test_average_voxels_by_hand() -> None:
    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    smaller, affine = average_voxels(image, torch.eye(3).double(), [2, 1])
    assert smaller.tolist() == [[[[1.5, 2.5, 3.5]]]]
    assert affine.tolist() == [[2, 0, 0.5], [0, 1, 0], [0, 0, 1]]


def test_average_voxels_of_one_does_nothing() -> None:
    image = torch.rand(1, 1, 5, 6, 7)
    same, affine = average_voxels(image, AFFINE, [1, 1, 1])
    assert same is image
    assert affine is AFFINE


def test_average_voxels_averages_what_is_left_over_at_the_end() -> None:
    image = torch.arange(5.0).reshape(1, 1, 5, 1)
    smaller, _ = average_voxels(image, torch.eye(3).double(), [2, 1])
    assert smaller.flatten().tolist() == [0.5, 2.5, 4]


def test_average_voxels_larger_than_the_image() -> None:
    smaller, affine = average_voxels(torch.arange(6.0).reshape(1, 1, 2, 3), torch.eye(3).double(), [9, 9])
    assert smaller.tolist() == [[[[2.5]]]]
    assert affine.tolist() == [[2, 0, 0.5], [0, 3, 1], [0, 0, 1]]


def test_resample_onto_its_own_grid_is_the_identity() -> None:
    image = torch.rand(1, 2, 5, 6, 7)
    torch.testing.assert_close(resample(image, AFFINE, GRID), image)


@pytest.mark.parametrize("factors", [[0.5, 0.7, 0.9], [1.0, 1.3, 1.9], [2.0, 2.5, 3.2]])
def test_resample_keeps_a_linear_scan(factors: list[float]) -> None:
    """Neither averaging nor interpolation may shift anything: a linear scan shows any half voxel of error."""
    grid = Grid((14, 15, 16), scaled(AFFINE, [0.4, 0.4, 0.4], [0.0] * 3))
    inner = Grid((2, 2, 2), scaled(grid.affine, factors, [4.0, 4.0, 4.0]))
    torch.testing.assert_close(resample(linear(grid), grid.affine, inner), linear(inner), atol=1e-3, rtol=0)


def test_resample_turns_axes() -> None:
    turned = Grid((7, 5, 6), AFFINE[:, [2, 0, 1, 3]])
    image = torch.rand(1, 1, 5, 6, 7)
    torch.testing.assert_close(resample(image, AFFINE, turned), image.permute(0, 1, 4, 2, 3))


def test_resample_averages_instead_of_aliasing() -> None:
    """A checkerboard seen at a third of its resolution is gray, not a checkerboard."""
    board = torch.from_numpy(np.indices((18, 18, 18)).sum(0) % 2)[None, None].float()
    coarse = Grid((4, 4, 4), scaled(torch.eye(4).double(), [4.0] * 3, [1.5] * 3))
    torch.testing.assert_close(resample(board, torch.eye(4).double(), coarse), torch.full((1, 1, 4, 4, 4), 0.5))


def test_resample_fills_outside() -> None:
    shifted = Grid((5, 6, 7), scaled(AFFINE, [1.0] * 3, [3.0, 0.0, 0.0]))
    result = resample(torch.ones(1, 1, 5, 6, 7), AFFINE, shifted, fill=-7.0)
    assert result[0, 0, :, 0, 0].tolist() == [1, 1, -7, -7, -7]


def test_resample_continues_the_border_without_a_fill() -> None:
    image = torch.rand(1, 1, 5, 6, 7)
    shifted = Grid((5, 6, 7), scaled(AFFINE, [1.0] * 3, [3.0, 0.0, 0.0]))
    expected = image[:, :, [3, 4, 4, 4, 4]]
    torch.testing.assert_close(resample(image, AFFINE, shifted), expected)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("size", [9, 10, 11, 12, 13])
def test_resample_places_the_last_block_where_it_is(size: int, factor: int) -> None:
    """A scan that tells the place of its voxels, in blocks of which the last is shorter where they do not go in."""
    identity = torch.eye(3).double()
    scan = torch.arange(float(size)).expand(1, 1, 2, size)
    last = size - (size % factor or factor)  # first voxel of the last block
    first_center, last_center = (factor - 1) / 2, (last + size - 1) / 2
    places = torch.arange(first_center, last_center, 0.3).double()
    for place in places:
        coarse = Grid((2, 1), scaled(identity, [1.0, float(factor)], [0.0, float(place)]))
        assert resample(scan, identity, coarse)[0, 0, 0, 0].item() == pytest.approx(float(place), abs=1e-4)


@pytest.mark.parametrize(("size", "end"), [(8, 7.5), (9, 8.5), (10, 9.5), (11, 10.5)])
def test_resample_fills_from_the_end_of_a_shorter_last_block_on(size: int, end: float) -> None:
    identity = torch.eye(3).double()
    for place, expected in ((end - 0.05, 1.0), (end + 0.05, -7.0)):
        coarse = Grid((2, 1), scaled(identity, [1.0, 4.0], [0.0, place]))
        assert (resample(torch.ones(1, 1, 2, size), identity, coarse, fill=-7.0) == expected).all()


def test_resample_onto_coarser_voxels_loses_no_border() -> None:
    """Five voxels seen in twos: the fifth is inside the scan, and so is the third coarse voxel."""
    coarse = Grid((3, 1), scaled(torch.eye(3).double(), [2.0, 1.0], [0.0, 0.0]))
    assert (resample(torch.ones(1, 1, 5, 1), torch.eye(3).double(), coarse, fill=-7.0) == 1).all()
