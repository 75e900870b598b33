"""The box around the lungs, found in a CT scan itself: the same for training and for whatever is registered.

MONAI's `CropForeground` takes all that is brighter than a threshold; lungs are dark, as the air around the body is.
"""

import numpy as np
import torch
import torch.nn.functional as F
from monai.data import MetaTensor
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from .bore_mask import slice_axis

DARKER_THAN = -400.0  # HU
VOXEL_MM = 4.0  # of the grid the lungs are looked for on
LEAST_LITERS = 0.3  # of a lung; less is bowel gas, or no chest
LEAST_SHARE = 0.15  # of the larger lung, of the smaller one
LEAST_AREA_CM2 = 4.0  # of the lungs in a plane that holds them; the windpipe, which goes on beyond, has less
MARGIN_MM = 12.0


def lung_box(scan: MetaTensor, margin_mm: float = MARGIN_MM) -> tuple[slice, ...]:
    """Find the box that holds both lungs.

    Lungs are air that in a slice across the body is not connected to the slice's border, in one or two large pieces.

    Args:
        scan: CT, ``(1, *spatial)``, HU, affine RAS in mm; any order of axes.
        margin_mm: what is added on each side.

    Returns:
        One slice a spatial axis; the whole scan where there are no lungs, or where they are cut off on all sides.

    Raises:
        ValueError: if the scan is not of three axes and one channel.

    Example:
        >>> import torch
        >>> scan = torch.full((1, 80, 80, 80), -1000.0)
        >>> scan[:, 10:70, 10:70] = 40.0
        >>> scan[:, 20:60, 30:60, 5:50] = -850.0
        >>> lung_box(MetaTensor(scan, affine=torch.diag(torch.tensor([2.0, 2, 2, 1]))), 4.0)
        (slice(18, 62, None), slice(28, 62, None), slice(2, 52, None))
    """
    lungs, spacing, blocks, voxel_liters = _find("lung_box", scan)
    if not lungs.any():
        return tuple(slice(0, size) for size in scan.shape[1:])
    box = []
    for axis, (size, step, block) in enumerate(zip(scan.shape[1:], spacing, blocks, strict=True)):
        areas = (
            lungs.sum(axis=tuple(other for other in range(3) if other != axis)) * (voxel_liters / (step * block)) * 1e4
        )
        planes = np.flatnonzero(areas >= min(LEAST_AREA_CM2, areas.max()))
        margin = round(margin_mm / step)
        box.append(slice(max(int(planes[0]) * block - margin, 0), min((int(planes[-1]) + 1) * block + margin, size)))
    return tuple(box)


def lung_mask(scan: MetaTensor) -> Tensor:
    """Find both lungs, with the vessels in them, in blocks of about 4 mm.

    Args:
        scan: see `lung_box`.

    Returns:
        ``(1, *spatial)``, bool; empty where there are no lungs.

    Raises:
        ValueError: if the scan is not of three axes and one channel.
    """
    lungs, _, blocks, _ = _find("lung_mask", scan)
    mask = torch.from_numpy(lungs)
    for axis, (block, size) in enumerate(zip(blocks, scan.shape[1:], strict=True)):
        mask = mask.repeat_interleave(block, dim=axis).narrow(axis, 0, size)
    return mask[None]


def _find(function: str, scan: MetaTensor) -> tuple[NDArray, list[float], list[int], float]:
    """The lungs in blocks of voxels, the spacing, the voxels of a block along each axis, and its liters."""
    if scan.ndim != 4 or scan.shape[0] != 1:
        raise ValueError(f"{function}() expects 'scan' of shape (1, H, W, D), got {tuple(scan.shape)}.")
    spacing = [float(step) for step in scan.affine[:3, :3].norm(dim=0)]
    blocks = [max(1, min(size, int(VOXEL_MM / step))) for size, step in zip(scan.shape[1:], spacing, strict=True)]
    small = F.avg_pool3d(scan.as_tensor().float()[None], blocks, blocks, ceil_mode=True)[0, 0]
    voxel_liters = float(np.prod([step * block for step, block in zip(spacing, blocks, strict=True)])) * 1e-6
    return _lungs((small < DARKER_THAN).cpu().numpy(), slice_axis(scan), voxel_liters), spacing, blocks, voxel_liters


def _lungs(air: NDArray, axis: int, voxel_liters: float) -> NDArray:
    """Voxels of the large pieces of air inside the body."""
    air = np.moveaxis(air, axis, 0)
    within_slice = np.zeros((3, 3, 3), dtype=bool)
    within_slice[1] = ndimage.generate_binary_structure(2, 1)
    pieces, _ = ndimage.label(air, within_slice)
    outside = np.unique(np.concatenate([pieces[:, edge].ravel() for edge in (0, -1)] +
                                       [pieces[:, :, edge].ravel() for edge in (0, -1)]))  # fmt: skip
    inside = air & ~np.isin(pieces, outside)
    organs, count = ndimage.label(inside)
    volumes = np.bincount(organs.ravel(), minlength=count + 1) * voxel_liters
    volumes[0] = 0
    if volumes.max() < LEAST_LITERS:
        return np.moveaxis(np.zeros_like(air), 0, axis)
    return np.moveaxis(np.isin(organs, np.flatnonzero(volumes >= LEAST_SHARE * volumes.max())), 0, axis)
