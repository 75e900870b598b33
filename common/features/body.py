"""The patient in a CT scan: neither the air around nor the table below.

MONAI's `ForegroundMask` takes all that is brighter than a threshold, the table as well.
"""

from collections.abc import Sequence

import numpy as np
from monai.data import MetaTensor
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from .organ_blocks import ROUNDING, OrganBlocks, organ_blocks

AIR = -500.0  # HU; darker is air, or lung
AIR_SHARE = 0.05  # of the way from air to soft tissue, in other units: their windows often begin just below fat
THINNER_MM = 12.0  # than this are tables, blankets and tubes
ENDS = 2  # blocks by which what hangs on the patient, as ears do, goes on
LEAST_SHARE = 0.02  # of the largest part of the body, of another one, such as an arm


def body_mask(scan: MetaTensor) -> Tensor:
    """Find the patient, with the air inside, in blocks of about 4 mm, or a voxel, and one block beyond the skin.

    What is thinner than about `THINNER_MM`, or three blocks, is not the patient. Lungs that the field of view cuts open
    are air. Without Hounsfield units the darkest value is air, and all that is a little brighter may be the patient:
    that fits windows that begin below fat, and keeps tables of others.

    Args:
        scan: CT, ``(1, *spatial)``, affine RAS in mm, any order of axes; HU, or another unit in which air is darkest.

    Returns:
        ``(1, *spatial)``, bool; true everywhere if there is no patient.

    Raises:
        ValueError: if the scan is not of three axes and one channel.

    Example:
        >>> import torch
        >>> scan = torch.full((1, 40, 40, 40), -1000.0)
        >>> scan[:, 10:30, 10:30] = 40.0
        >>> scan[:, :, 5] = 100.0  # the table
        >>> mask = body_mask(MetaTensor(scan, affine=torch.diag(torch.tensor([4.0, 4, 4, 1]))))
        >>> mask[0, 20, :, 20].nonzero().flatten().aminmax()
        torch.return_types.aminmax(
        min=tensor(9),
        max=tensor(30))
    """
    blocks = organ_blocks("body_mask", scan)
    return blocks.on_voxels(_body(blocks), scan.shape[1:])


def _body(blocks: OrganBlocks) -> NDArray:
    bright = _brighter_than_air(blocks.values)
    pieces, count = ndimage.label(_thick(bright, blocks.sides))
    if not count:
        return np.ones_like(bright)
    volumes = np.bincount(pieces.ravel())
    volumes[0] = 0
    body = np.isin(pieces, np.flatnonzero(volumes >= LEAST_SHARE * volumes.max()))
    body = ndimage.binary_dilation(body, iterations=ENDS, mask=bright)
    for section in np.moveaxis(body, blocks.slice_axis, 0):
        section[:] = ndimage.binary_fill_holes(section)
    return ndimage.binary_dilation(body)


def _brighter_than_air(values: NDArray) -> NDArray:
    darkest, brightest = float(values.min()), float(values.max())
    if darkest < AIR or darkest == brightest:
        return values > AIR
    soft = np.median(values[values > (darkest + brightest) / 2])
    return values > darkest + AIR_SHARE * (soft - darkest)


def _thick(bright: NDArray, sides: Sequence[float]) -> NDArray:
    """Where a ball fits in, of three blocks at the least; beyond the scan the patient goes on as at its border."""
    radii = [max(THINNER_MM / 2 / side, 1.0) for side in sides]
    reach = [int(radius + ROUNDING) for radius in radii]
    offsets = np.mgrid[tuple(slice(-far, far + 1) for far in reach)]
    ball = sum((offset / radius) ** 2 for offset, radius in zip(offsets, radii, strict=True)) <= 1 + ROUNDING
    opened = ndimage.binary_opening(np.pad(bright, [(2 * far, 2 * far) for far in reach], "edge"), ball)
    return opened[tuple(slice(2 * far, 2 * far + size) for far, size in zip(reach, bright.shape, strict=True))]
