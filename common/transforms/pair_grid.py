"""From two scans anywhere in the world to one network input on one grid."""

import math
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from common.io import check_memory, grid_of
from common.spatial import Grid, ras_to_lps, resample

from .case_grid import CaseGrid, scanned
from .content import content_of
from .working_grid import extend_grid

FIXED_BYTES, WORKING_BYTES = 85, 60  # a voxel, of all steps but the network; the peak of memory, measured in 3-D


class PairGridd(MapTransform):
    """Bring both scans onto the grid of the fixed one and stack them: the network's ``image``.

    The pre-alignment changes no voxel: it moves the header of the moving scan into the fixed world, so that each scan
    is interpolated once. A grid of the axes "RAS" without a size of its own reaches out to where the moving scan goes
    on, see `extend_grid`; the grid "fixed" does not, so that its slices are those of the fixed scan.

    Args:
        keys: the fixed and the moving scan, in this order.
        grid: how a single scan is brought onto its grid.
        bounded: behind the channels of each scan comes one that says where it was taken, 1 or 0.
        bytes_per_voxel: what the network will need of the computer's memory for a voxel of the working grid; a pair
            that needs much more than there is is refused.

    Adds ``image``: MetaTensor ``(2 * C, *working)``, float32, affine of the working grid, fixed channels first. With
    both masks (``fixed_mask``, ``moving_mask``), a scan holds its minimum outside of its mask. With one of them alone
    it holds what the other scan has there, in its own gray values, so that nothing pulls: a minimum would draw in all
    that surrounds the mask. Then ``counts``, ``(1, *working)``, says where the scans are both their own.
    """

    def __init__(
        self, keys: KeysCollection, grid: CaseGrid, bytes_per_voxel: float = 0.0, bounded: bool = False
    ) -> None:
        super().__init__(keys)
        self.grid = grid
        self.bytes_per_voxel = bytes_per_voxel
        self.bounded = bounded

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Resample, normalize and stack."""
        fixed, moving = (content_of(data[key], data.get(str(key).replace("image", "mask"))) for key in self.keys)
        to_fixed = torch.linalg.inv(torch.as_tensor(data["initial_transform"], dtype=torch.float64))
        moved = Grid(moving.grid.shape, ras_to_lps(to_fixed @ ras_to_lps(moving.grid.affine)))
        grid = self.grid.over(fixed)
        if self.grid.orientation == "RAS" and self.grid.spatial_size is None:
            grid = extend_grid(grid, moved)
        check_pair_memory(grid_of(data[self.keys[0]]), grid, self.bytes_per_voxel)
        both = fixed.mask is not None and moving.mask is not None
        sides = [(fixed, fixed.grid.affine), (moving, moved.affine)]
        scans = [resample(side.masked() if both else side.image, place, grid)[0] for side, place in sides]
        if not both:
            for index, (side, place) in enumerate(sides):
                if side.mask is not None:
                    inside = resample((side.mask > 0).float(), place, grid, 0.0)[0] > 0.5
                    scans[index] = _fill_from(scans[1 - index], scans[index], inside)
                    data = {**data, "counts": inside}
        seen = [scanned(side, place, grid) for side, place in sides]
        done = [self.grid.finish(scan, inside) for scan, inside in zip(scans, seen, strict=True)]
        if self.bounded:
            done = [torch.cat([scan, inside.float()]) for scan, inside in zip(done, seen, strict=True)]
        return {**data, "image": MetaTensor(torch.cat(done), affine=grid.affine_3d())}


def _fill_from(other: torch.Tensor, scan: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """A scan that goes on outside as another one, shifted and scaled to the scan's mean and deviation inside."""
    if int(inside.sum()) < 2:
        return scan
    (deviation, mean), (other_deviation, other_mean) = (torch.std_mean(values[inside]) for values in (scan, other))
    adapted = (other - other_mean) * (deviation / other_deviation if other_deviation > 0 else 1.0) + mean
    return torch.where(inside, scan, adapted)


def check_pair_memory(fixed: Grid, working: Grid, bytes_per_voxel: float) -> None:
    """Refuse a pair that needs much more memory than there is; see `common.io.check_memory`.

    Args:
        fixed: grid of the fixed scan and of the result.
        working: grid of the registration.
        bytes_per_voxel: of the network, for a voxel of the working grid.

    Raises:
        InputError: if so.
    """
    for_results = FIXED_BYTES * math.prod(fixed.shape)
    for_network = (WORKING_BYTES + bytes_per_voxel) * math.prod(working.shape)
    size = " x ".join(map(str, (fixed if for_results > for_network else working).shape))
    check_memory(
        for_results + for_network,
        f"resample or crop the fixed scan of {size} voxels"
        if for_results > for_network
        else f"choose a coarser spacing than that of {size} voxels",
    )
