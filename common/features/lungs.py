"""The box around the lungs, found in a CT scan itself: the same for training and for whatever is registered.

MONAI's `CropForeground` takes all that is brighter than a threshold; lungs are dark, as the air around the body is.
"""

import numpy as np
from monai.data import MetaTensor
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from .organ_blocks import OrganBlocks, organ_blocks

DARKER_THAN = -400.0  # HU
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
    blocks = organ_blocks("lung_box", scan)
    lungs = _lungs(blocks)
    if not lungs.any():
        return tuple(slice(0, size) for size in scan.shape[1:])
    box = []
    for axis, (size, step, block) in enumerate(zip(scan.shape[1:], blocks.spacing, blocks.voxels, strict=True)):
        area = blocks.liters / blocks.sides[axis] * 1e4  # cm2
        areas = lungs.sum(axis=tuple(other for other in range(3) if other != axis)) * area
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
    blocks = organ_blocks("lung_mask", scan)
    return blocks.on_voxels(_lungs(blocks), scan.shape[1:])


def _lungs(blocks: OrganBlocks) -> NDArray:
    """Blocks of the large pieces of air inside the body."""
    axis = blocks.slice_axis
    air = np.moveaxis(blocks.values < DARKER_THAN, axis, 0)
    within_slice = np.zeros((3, 3, 3), dtype=bool)
    within_slice[1] = ndimage.generate_binary_structure(2, 1)
    pieces, _ = ndimage.label(air, within_slice)
    outside = np.unique(np.concatenate([pieces[:, edge].ravel() for edge in (0, -1)] +
                                       [pieces[:, :, edge].ravel() for edge in (0, -1)]))  # fmt: skip
    inside = air & ~np.isin(pieces, outside)
    organs, count = ndimage.label(inside)
    volumes = np.bincount(organs.ravel(), minlength=count + 1) * blocks.liters
    volumes[0] = 0
    if volumes.max() < LEAST_LITERS:
        return np.moveaxis(np.zeros_like(air), 0, axis)
    return np.moveaxis(np.isin(organs, np.flatnonzero(volumes >= LEAST_SHARE * volumes.max())), 0, axis)
