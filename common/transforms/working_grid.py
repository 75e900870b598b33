"""From two scans anywhere in the world to one network input on one grid."""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from common.io import InputError, grid_of
from common.spatial import Grid, center_of, place_centered, ras_to_lps, resample, voxel_to_world, world_to_voxel

from .content import content_of
from .pair_memory import check_pair_memory

ORIENTATIONS = ("RAS", "fixed")
STACK = 2.0  # times the steps within a slice are those between slices, in most cardiac stacks four and more
MARGIN = 0.125  # of the fixed field of view, added at most on each side where the moving scan goes on


def working_grid(
    fixed: Grid, spacing: Sequence[float] | float | None, maximum_voxels: int, orientation: str = "RAS"
) -> Grid:
    """The grid a pair is registered on: the fixed field of view with the spacing a method wants.

    Args:
        fixed: grid of the fixed scan, affine RAS.
        spacing: mm, one number or one per axis; None takes the geometric mean of the fixed spacing, or with
            orientation "fixed" the fixed grid as it is.
        maximum_voxels: without a given spacing, the grid is coarsened until it has no more voxels than this; with
            orientation "fixed" it is not.
        orientation: "RAS" takes the axes nearest to R, A, S, "fixed" those of the fixed scan in its own order.

    Raises:
        InputError: if the spacing is not positive or the orientation is none of the two.
    """
    if orientation not in ORIENTATIONS:
        raise InputError(f"orientation is expected to be one of {', '.join(ORIENTATIONS)}, got {orientation}.")
    if orientation == "fixed" and spacing is None:
        return fixed
    dims = len(fixed.shape)
    directions, extent = fixed.affine[:-1, :-1] / fixed.spacing, torch.tensor(fixed.shape).double() * fixed.spacing
    if orientation == "RAS":
        axes = nib.orientations.io_orientation(fixed.affine_3d().numpy())[:dims]
        order = np.argsort(axes[:, 0]).tolist()  # fixed axis that runs along R, A, S
        directions, extent = directions[:, order] * torch.from_numpy(axes[order, 1]), extent[order]
    if spacing is None:
        spacing = float(fixed.spacing.prod() ** (1 / dims))
        while math.prod(_voxels(extent, [spacing] * dims)) > maximum_voxels:
            spacing *= 1.005
    steps = torch.as_tensor(spacing, dtype=torch.float64).flatten()
    if len(steps) not in (1, dims) or not bool((steps > 0).all()):
        raise InputError(f"spacing is expected to be one or {dims} positive numbers in mm, got {spacing}.")
    steps = steps.expand(dims) if len(steps) == 1 else steps
    return place_centered(_voxels(extent, steps), directions * steps, center_of(fixed))


def slices_last(grid: Grid, fixed: Grid) -> Grid:
    """Turn a grid in the order of the fixed scan so that the last axis runs through the slices, if the scan is a stack.

    Args:
        grid: axes in the order of the fixed scan.
        fixed: its grid; slices lie along an axis whose steps are at least `STACK` times those of both others.
    """
    longest = int(fixed.spacing.argmax())
    order = [axis for axis in range(len(fixed.shape)) if axis != longest] + [longest]
    if len(order) < 3 or float(fixed.spacing[longest]) < STACK * float(fixed.spacing[order[:-1]].max()):
        return grid
    return Grid(tuple(grid.shape[axis] for axis in order), grid.affine[:, [*order, len(order)]])


def _voxels(extent: Iterable[Any], steps: Iterable[Any]) -> tuple[int, ...]:
    return tuple(max(1, round(float(e / s))) for e, s in zip(extent, steps, strict=True))


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
    affine = grid.affine.clone()
    affine[:-1, -1] = voxel_to_world(-below.double(), grid.affine)
    return Grid(tuple((shape + below + above).tolist()), affine)


class WorkingGridd(MapTransform):
    """Bring both scans onto the working grid and stack them: the network's ``image``.

    The pre-alignment changes no voxel: it moves the header of the moving scan into the fixed world, so that each scan
    is interpolated once.

    Args:
        keys: the fixed and the moving scan, in this order.
        spacing: mm; see `working_grid`.
        maximum_voxels: see `working_grid`.
        fill: value beyond a scan's field of view; by default a scan continues its border, so that its end is no edge to
            align.
        orientation: see `working_grid`. The grid "RAS" reaches out to where the moving scan goes on, see `extend_grid`;
            the grid "fixed" does not, so that its slices are those of the fixed scan; they run along its last axis.
        bytes_per_voxel: what the network will need of the computer's memory for a voxel of the working grid; a pair
            that needs much more than there is is refused.

    Of a scan that is padded with one value, what was scanned counts alone, see `content_of`; the grid "fixed" keeps the
    frame of the scan.

    Adds ``image``: MetaTensor ``(2, *working)``, float32, affine of the working grid. With both masks (``fixed_mask``,
    ``moving_mask``), a scan holds its minimum outside of its mask. With one of them alone it holds what the other scan
    has there, in its own gray values, so that nothing pulls: a minimum would draw in all that surrounds the mask. Then
    ``counts``, ``(1, *working)``, says where the scans are both their own.
    """

    def __init__(
        self,
        keys: KeysCollection,
        spacing: Sequence[float] | float | None = None,
        maximum_voxels: int = 2**22,
        fill: float | None = None,
        orientation: str = "RAS",
        bytes_per_voxel: float = 0.0,
    ) -> None:
        super().__init__(keys)
        self.bytes_per_voxel = bytes_per_voxel
        self.spacing = spacing
        self.maximum_voxels = maximum_voxels
        self.fill = fill
        self.orientation = orientation

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Resample and stack."""
        cut = self.orientation == "RAS"
        fixed, moving = (content_of(data[key], data.get(str(key).replace("image", "mask")), cut) for key in self.keys)
        to_fixed = torch.linalg.inv(torch.as_tensor(data["initial_transform"], dtype=torch.float64))
        moved = Grid(moving.grid.shape, ras_to_lps(to_fixed @ ras_to_lps(moving.grid.affine)))
        grid = working_grid(fixed.grid, self.spacing, self.maximum_voxels, self.orientation)
        grid = extend_grid(grid, moved) if self.orientation == "RAS" else slices_last(grid, fixed.grid)
        check_pair_memory(grid_of(data[self.keys[0]]), grid, self.bytes_per_voxel)
        both = fixed.mask is not None and moving.mask is not None
        sides = [(fixed, fixed.grid.affine), (moving, moved.affine)]
        scans = [resample(side.masked() if both else side.image, place, grid, self.fill)[0] for side, place in sides]
        if not both:
            for index, (side, place) in enumerate(sides):
                if side.mask is not None:
                    inside = resample((side.mask > 0).float(), place, grid, 0.0)[0] > 0.5
                    scans[index] = _fill_from(scans[1 - index], scans[index], inside)
                    data = {**data, "counts": inside}
        return {**data, "image": MetaTensor(torch.cat(scans), affine=grid.affine_3d())}


def _fill_from(other: torch.Tensor, scan: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """A scan that goes on outside as another one, shifted and scaled to the scan's mean and deviation inside."""
    if int(inside.sum()) < 2:
        return scan
    (deviation, mean), (other_deviation, other_mean) = (torch.std_mean(values[inside]) for values in (scan, other))
    adapted = (other - other_mean) * (deviation / other_deviation if other_deviation > 0 else 1.0) + mean
    return torch.where(inside, scan, adapted)
