"""The grid that scans are registered on: its axes, its voxels, how far it reaches."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import nibabel as nib
import numpy as np
import torch

from common.io import InputError
from common.spatial import Grid, box_grid, center_of, place_centered, voxel_to_world, world_to_voxel

ORIENTATIONS = ("RAS", "fixed")
STACK = 2.0  # times the steps within a slice are those between slices, in most cardiac stacks four and more
MARGIN = 0.125  # of the fixed field of view, added at most on each side where the moving scan goes on


def check_orientation(orientation: str) -> None:
    """Make sure that an orientation is one of those there are, see `working_grid`.

    Raises:
        InputError: if not.
    """
    if orientation not in ORIENTATIONS:
        raise InputError(f"orientation is expected to be one of {', '.join(ORIENTATIONS)}, got {orientation}.")


def working_grid(
    fixed: Grid, spacing: Sequence[float] | float | None, maximum_voxels: int, orientation: str = "RAS"
) -> Grid:
    """The grid a scan or pair is worked on: the field of view with the spacing a method wants.

    Args:
        fixed: grid of the scan, of a pair the fixed one, affine RAS.
        spacing: mm, one number or one per axis; None takes the geometric mean of the fixed spacing, or with
            orientation "fixed" the fixed grid as it is. With "fixed" one number is that within the slices of a stack.
        maximum_voxels: without a given spacing, the grid is coarsened until it has no more voxels than this; with
            orientation "fixed" it is not.
        orientation: "RAS" takes the axes nearest to R, A, S, "fixed" those of the scan in its own order.

    Raises:
        InputError: if the spacing is not positive or the orientation is none of the two.
    """
    check_orientation(orientation)
    if orientation == "fixed" and spacing is None:
        return fixed
    dims = len(fixed.shape)
    directions, extent = _axes(fixed, orientation)
    if spacing is None:
        spacing = float(fixed.spacing.prod() ** (1 / dims))
        while math.prod(_voxels(extent, [spacing] * dims)) > maximum_voxels:
            spacing *= 1.005
    steps = torch.as_tensor(spacing, dtype=torch.float64).flatten()
    if len(steps) not in (1, dims) or not bool((steps > 0).all()):
        raise InputError(f"spacing is expected to be one or {dims} positive numbers in mm, got {spacing}.")
    if len(steps) == 1:
        across = _slice_axis(fixed) if orientation == "fixed" else None
        steps = torch.stack([fixed.spacing[axis] if axis == across else steps[0] for axis in range(dims)])
    return place_centered(_voxels(extent, steps), directions * steps, center_of(fixed))


def stretch_grid(fixed: Grid, size: Sequence[int], orientation: str = "RAS") -> Grid:
    """Divide the field of view of a scan into so many voxels.

    Args:
        fixed: grid of the scan, affine RAS.
        size: voxels along each axis.
        orientation: see `working_grid`.
    """
    directions, extent = _axes(fixed, orientation)
    return place_centered(tuple(size), directions * (extent / torch.tensor(size)), center_of(fixed))


def _axes(fixed: Grid, orientation: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Directions of the axes, as columns of length 1, and how far the field of view reaches along each, mm."""
    directions, extent = fixed.affine[:-1, :-1] / fixed.spacing, torch.tensor(fixed.shape).double() * fixed.spacing
    if orientation == "fixed":
        return directions, extent
    axes = nib.orientations.io_orientation(fixed.affine_3d().numpy())[: len(fixed.shape)]
    order = np.argsort(axes[:, 0]).tolist()  # fixed axis that runs along R, A, S
    return directions[:, order] * torch.from_numpy(axes[order, 1]), extent[order]


def _voxels(extent: Iterable[Any], steps: Iterable[Any]) -> tuple[int, ...]:
    return tuple(max(1, round(float(e / s))) for e, s in zip(extent, steps, strict=True))


def slices_last(grid: Grid, fixed: Grid) -> Grid:
    """Turn a grid in the order of the fixed scan so that the last axis runs through the slices, if the scan is a stack.

    Args:
        grid: axes in the order of the fixed scan.
        fixed: its grid; slices lie along an axis whose steps are at least `STACK` times those of both others.
    """
    across = _slice_axis(fixed)
    if across is None:
        return grid
    order = [axis for axis in range(len(fixed.shape)) if axis != across] + [across]
    return Grid(tuple(grid.shape[axis] for axis in order), grid.affine[:, [*order, len(order)]])


def _slice_axis(grid: Grid) -> int | None:
    """The axis through the slices of a stack; None where the grid is none."""
    *others, longest = grid.spacing.argsort().tolist()
    within = float(grid.spacing[others].max())
    return longest if len(others) == 2 and float(grid.spacing[longest]) >= STACK * within else None


def resize_grid(grid: Grid, size: Sequence[int]) -> Grid:
    """Pad or crop a grid to a size, by whole voxels and around its middle one."""
    starts = [old // 2 - new // 2 for old, new in zip(grid.shape, size, strict=True)]
    return box_grid(grid, [slice(start, start + new) for start, new in zip(starts, size, strict=True)])


def extend_grid(grid: Grid, moving: Grid) -> Grid:
    """Let a grid reach out to where the moving scan goes on, so that what moves in from outside can be found.

    Args:
        grid: working grid over the fixed field of view.
        moving: grid of the moving scan, in the same world.

    Returns:
        ``grid`` with up to `MARGIN` of its shape more on each side.
    """
    corners = torch.cartesian_prod(*[torch.tensor([-0.5, size - 0.5]).double() for size in moving.shape])
    index = world_to_voxel(voxel_to_world(corners, moving.affine), grid.affine)
    shape = torch.tensor(grid.shape)
    most = (shape * MARGIN).long()
    edge = 0.5 + 1e-3  # a thousandth, so that rounding adds no voxel where two scans end together
    below = torch.minimum((-edge - index.amin(0)).ceil().long().clamp(min=0), most)
    above = torch.minimum((index.amax(0) - shape + 1 - edge).ceil().long().clamp(min=0), most)
    ends = zip(below.tolist(), (shape + above).tolist(), strict=True)
    return box_grid(grid, [slice(-start, stop) for start, stop in ends])
