"""Scans on other grids: a voxel grid in the world, and one anti-aliased interpolation onto it.

MONAI's SpatialResample does not smooth before it samples more coarsely and needs one dtype and device for everything;
here the scan is averaged over whole voxels first and then sampled once, linearly.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from monai.data import MetaTensor

from common.spatial import identity_grid, sample, voxel_to_world


class Grid(NamedTuple):
    """Where voxels lie in the world.

    Attributes:
        shape: voxels along each axis.
        affine: voxel to world (RAS, mm), ``(d + 1, d + 1)``, float64.
    """

    shape: tuple[int, ...]
    affine: torch.Tensor

    @property
    def spacing(self) -> torch.Tensor:
        """Distance of neighboring voxel centers, mm, ``(d,)``."""
        return self.affine[:-1, :-1].norm(dim=0)

    def map_to(self, affine: torch.Tensor) -> torch.Tensor:
        """Coordinates of this grid's voxels in the voxels of another grid, ``(1, d, *shape)``, float32."""
        matrix = torch.linalg.solve(affine.double(), self.affine)
        points = identity_grid(self.shape).movedim(0, -1)  # (*shape, d)
        return voxel_to_world(points, matrix).float().movedim(-1, 0)[None]


def grid_of(image: MetaTensor) -> Grid:
    """The grid of a channel-first scan, 2-D or 3-D; affine RAS."""
    dims = image.ndim - 1
    keep = [*range(dims), 3]
    return Grid(tuple(image.shape[1:]), image.affine.double().cpu()[keep][:, keep])


def center_of(grid: Grid) -> torch.Tensor:
    """World position of the middle of the field of view, mm, ``(d,)``."""
    return voxel_to_world((torch.tensor(grid.shape).double() - 1) / 2, grid.affine)


def place_centered(shape: tuple[int, ...], directions: torch.Tensor, center: torch.Tensor) -> Grid:
    """Make a grid with the given voxel axes (columns, mm) around a world point."""
    dims = len(shape)
    affine = torch.eye(dims + 1, dtype=torch.float64)
    affine[:-1, :-1] = directions
    affine[:-1, -1] = center - directions @ ((torch.tensor(shape).double() - 1) / 2)
    return Grid(shape, affine)


def average_voxels(image: torch.Tensor, affine: torch.Tensor, factors: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Average blocks of voxels.

    Args:
        image: ``(1, C, *spatial)``.
        affine: voxel to world of ``image``, ``(d + 1, d + 1)``.
        factors: block size along each axis; what is left over at the end is averaged over fewer voxels.

    Returns:
        The smaller image and its affine, whose origin is the center of the first block.
    """
    if max(factors) == 1:
        return image, affine
    pool = F.avg_pool3d if len(factors) == 3 else F.avg_pool2d
    factors = [min(factor, size) for factor, size in zip(factors, image.shape[2:], strict=True)]
    block = torch.tensor(factors, dtype=torch.float64)
    to_blocks = torch.diag(torch.cat([block, torch.ones(1, dtype=torch.float64)]))
    to_blocks[:-1, -1] = (block - 1) / 2
    return pool(image, factors, factors, ceil_mode=True), affine @ to_blocks


def resample(image: torch.Tensor, affine: torch.Tensor, grid: Grid, fill: float | None = None) -> torch.Tensor:
    """Bring an image onto another grid: block average where the grid is coarser, then linear interpolation.

    Args:
        image: ``(1, C, *spatial)``, floating.
        affine: voxel to world of ``image``, in the frame of ``grid.affine``.
        grid: where the result is wanted.
        fill: value outside the image; None continues its border voxels.

    Returns:
        ``(1, C, *grid.shape)``.
    """
    # voxels of the image that one voxel of the grid spans along each image axis
    span = torch.linalg.solve(affine[:-1, :-1].double(), grid.affine[:-1, :-1]).abs().amax(dim=1)
    image, affine = average_voxels(image, affine, [max(1, int(s + 1e-3)) for s in span])
    if fill is None:
        return sample(image, grid.map_to(affine))
    return sample(image, grid.map_to(affine), padding="inside", fill=fill)
