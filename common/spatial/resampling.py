"""Scans on other grids, with one anti-aliased interpolation.

MONAI's SpatialResample does not smooth before it samples more coarsely and needs one dtype and device for everything;
here the scan is averaged over whole voxels first and then sampled once, linearly.
"""

import torch
import torch.nn.functional as F

from .sampling import sample
from .world_grid import Grid


def average_voxels(image: torch.Tensor, affine: torch.Tensor, factors: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Average blocks of voxels.

    Args:
        image: ``(1, C, *spatial)``.
        affine: voxel to world of ``image``, ``(d + 1, d + 1)``.
        factors: block size along each axis; what is left over at the end is averaged over fewer voxels.

    Returns:
        The smaller image and its affine, whose origin is the center of the first block. A last block of fewer voxels
        has its center before the place the affine gives it.
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
    factors = [max(1, int(s + 1e-3)) for s in span]
    blocks, affine = average_voxels(image, affine, factors)
    coordinates = grid.map_to(affine)
    for axis, (size, factor) in enumerate(zip(image.shape[2:], factors, strict=True)):
        if size > factor and size % factor:
            coordinates[:, axis] = _stretch_to_last_block(
                coordinates[:, axis], blocks.shape[axis + 2] - 1, factor, size % factor
            )
    if fill is None:
        return sample(blocks, coordinates)
    return sample(blocks, coordinates, padding="inside", fill=fill)


def _stretch_to_last_block(places: torch.Tensor, last: int, factor: int, voxels: int) -> torch.Tensor:
    """Places counted in blocks of `factor` voxels, where the last block has fewer `voxels` and lies nearer.

    Its center counts as `last`, its end as half a block more: three straight pieces, each steeper than that before.
    """
    center = last - (factor - voxels) / (2 * factor)
    to_center = last - 1 + (places - (last - 1)) / (center - (last - 1))
    to_end = last + (places - center) * (factor / voxels)
    return places.maximum(to_center).maximum(to_end)
