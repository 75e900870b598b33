"""One grid for both scans: RAS axes, one spacing, the fixed field of view."""

import itertools
import math

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from common.spatial import Grid, center_of
from common.transforms.working_grid import extend_grid, slices_last, stretch_grid, working_grid

SHAPE, SPACING = (5, 6, 7), (2.0, 3.0, 4.0)
ORIENTATIONS = [
    (axes, signs) for axes in itertools.permutations(range(3)) for signs in itertools.product((-1, 1), repeat=3)
]


def tilted(axes: tuple[int, ...], signs: tuple[int, ...], degrees: float = 12.0) -> torch.Tensor:
    """RAS affine whose axis n runs near the world axis ``axes[n]``, forwards or backwards."""
    rotation = Rotation.from_euler("zyx", [degrees, -degrees / 2, degrees], degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.eye(3)[:, list(axes)] @ np.diag(np.multiply(signs, SPACING))
    affine[:3, 3] = (10, -20, 30)
    return torch.from_numpy(affine)


OBLIQUE = tilted((0, 1, 2), (1, 1, 1))


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_a_stretched_grid_covers_the_same_in_other_voxels(axes: tuple[int, ...], signs: tuple[int, ...]) -> None:
    fixed = Grid(SHAPE, tilted(axes, signs))
    grid = stretch_grid(fixed, (4, 8, 16))
    assert nib.aff2axcodes(grid.affine.numpy()) == ("R", "A", "S")
    extent = [SHAPE[axes.index(axis)] * SPACING[axes.index(axis)] for axis in range(3)]
    torch.testing.assert_close(grid.spacing, torch.tensor(extent).double() / torch.tensor([4, 8, 16]))
    torch.testing.assert_close(center_of(grid), center_of(fixed))


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_convention_working_grid_is_ras_whatever_the_fixed_orientation(
    axes: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    fixed = Grid(SHAPE, tilted(axes, signs))
    grid = working_grid(fixed, 2.0, 10**6)
    assert nib.aff2axcodes(grid.affine.numpy()) == ("R", "A", "S")
    extent = [SHAPE[axes.index(axis)] * SPACING[axes.index(axis)] for axis in range(3)]
    assert grid.shape == tuple(round(e / 2) for e in extent)
    torch.testing.assert_close(grid.spacing, torch.full((3,), 2.0).double())
    torch.testing.assert_close(center_of(grid), center_of(fixed))


def test_working_grid_stays_oblique() -> None:
    grid = working_grid(Grid(SHAPE, OBLIQUE), SPACING, 10**6)
    assert grid.shape == SHAPE
    torch.testing.assert_close(grid.affine, OBLIQUE)


def test_working_grid_chooses_the_geometric_mean_of_the_spacing() -> None:
    grid = working_grid(Grid((20, 20, 20), OBLIQUE), None, 10**6)
    torch.testing.assert_close(grid.spacing, torch.full((3,), 24 ** (1 / 3)).double())


@pytest.mark.parametrize("shape", [(20, 20, 20), (5, 6, 7), (50, 30, 2), (33, 47, 21)])
@pytest.mark.parametrize("maximum", [40, 500, 4096])
def test_working_grid_has_no_more_voxels_than_allowed(shape: tuple[int, ...], maximum: int) -> None:
    grid = working_grid(Grid(shape, OBLIQUE), None, maximum)
    assert np.prod(grid.shape) <= maximum
    assert np.prod(grid.shape) > 0.4 * min(maximum, math.prod(shape))
    assert grid.spacing.max() / grid.spacing.min() == pytest.approx(1)


def test_working_grid_with_a_given_spacing_heeds_no_maximum() -> None:
    assert working_grid(Grid((20, 20, 20), OBLIQUE), 1.0, 8).shape == (40, 60, 80)


def test_working_grid_in_2d() -> None:
    affine = torch.tensor([[0.0, -3, 10], [2, 0, 20], [0, 0, 1]]).double()  # axes to the front and to the left
    grid = working_grid(Grid((5, 6), affine), (3.0, 2.0), 10**6)
    assert grid.shape == (6, 5)
    assert grid.affine.tolist() == [[3, 0, -5], [0, 2, 20], [0, 0, 1]]


@pytest.mark.parametrize("spacing", [0.0, -1.0, (1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, 1.0, 1.0)])
def test_working_grid_rejects_other_spacings(spacing: float | tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="spacing is expected to be one or 3 positive numbers in mm, got"):
        working_grid(Grid(SHAPE, OBLIQUE), spacing, 10**6)


@pytest.mark.parametrize(
    ("first", "size", "shape", "origin"),
    [
        (0, 16, (16, 16), 0),  # ends together
        (3, 5, (16, 16), 0),  # lies inside
        (-1, 17, (17, 16), -1),
        (-0.2, 16, (17, 16), -1),  # part of a voxel is a voxel
        (0, 17, (17, 16), 0),
        (-9, 40, (20, 16), -2),  # no more than an eighth on each side
    ],
)
def test_extend_grid_by_hand(first: float, size: int, shape: tuple[int, int], origin: float) -> None:
    affine = torch.eye(3).double()
    affine[0, 2] = first
    grid = extend_grid(Grid((16, 16), torch.eye(3).double()), Grid((size, 16), affine))
    assert grid.shape == shape
    assert grid.affine.tolist() == [[1, 0, origin], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS[::5])
def test_working_grid_keeps_the_fixed_axes(axes: tuple[int, ...], signs: tuple[int, ...]) -> None:
    fixed = Grid(SHAPE, tilted(axes, signs))
    assert working_grid(fixed, None, 8, "fixed") is fixed
    grid = working_grid(fixed, (1.0, 6.0, 4.0), 8, "fixed")
    assert grid.shape == (10, 3, 7)
    factors = torch.tensor([0.5, 2, 1]).double()
    torch.testing.assert_close(grid.affine[:3, :3], fixed.affine[:3, :3] * factors)
    torch.testing.assert_close(center_of(grid), center_of(fixed))


@pytest.mark.parametrize("across", [0, 1, 2])
def test_working_grid_of_a_stack_keeps_its_slices(across: int) -> None:
    """One number is the spacing within slices: none is made up between those that were scanned."""
    spacing = torch.tensor([1.5, 1.5, 1.5, 1]).double()
    spacing[across] = 8
    fixed = Grid((12, 12, 12), torch.diag(spacing))
    grid = working_grid(fixed, 1.0, 8, "fixed")
    expected = [18, 18, 18]
    expected[across] = 12
    assert list(grid.shape) == expected
    assert grid.spacing[across] == 8
    assert working_grid(fixed, (1.0, 1.0, 1.0), 8, "fixed").shape[across] == 96
    assert working_grid(fixed, 1.0, 8, "RAS").shape[across] == 96


def test_working_grid_rejects_other_orientations() -> None:
    with pytest.raises(ValueError, match="orientation is expected to be one of RAS, fixed, got LPS"):
        working_grid(Grid(SHAPE, OBLIQUE), None, 8, "LPS")


def test_slices_last_leaves_volumes_alone() -> None:
    volume = Grid(SHAPE, torch.diag(torch.tensor([3.9, 2, 2, 1])).double())
    assert slices_last(volume, volume) is volume
    stack = Grid(SHAPE, torch.diag(torch.tensor([4.0, 2, 2, 1])).double())
    assert slices_last(stack, stack).shape == (6, 7, 5)
