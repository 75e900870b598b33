"""A CT scan coarse enough to look for an organ in it quickly.

MONAI's `Spacing` interpolates single voxels; a mean over blocks keeps the noise out, and whole blocks find back.
"""

from collections.abc import Sequence
from typing import NamedTuple

import nibabel as nib
import numpy as np
import torch
import torch.nn.functional as F
from monai.data import MetaTensor
from numpy.typing import NDArray
from torch import Tensor

BLOCK_MM = 4.0
ROUNDING = 1e-3  # blocks; headers hold spacings of single precision


class OrganBlocks(NamedTuple):
    """Means over blocks of voxels.

    Attributes:
        values: ``(*blocks)``, HU; the last block along an axis may be cut off.
        voxels: of a block along each axis.
        spacing: of the scan, mm.
        slice_axis: the axis across the body.
    """

    values: NDArray
    voxels: list[int]
    spacing: list[float]
    slice_axis: int

    @property
    def sides(self) -> list[float]:
        """Lengths of a block, mm."""
        return [step * count for step, count in zip(self.spacing, self.voxels, strict=True)]

    @property
    def liters(self) -> float:
        """Volume of a block."""
        return float(np.prod(self.sides)) * 1e-6

    def on_voxels(self, found: NDArray, shape: Sequence[int]) -> Tensor:
        """What is found of the blocks, bool, as a mask of the scan's voxels, ``(1, *shape)``."""
        mask = torch.from_numpy(found)
        for axis, (block, size) in enumerate(zip(self.voxels, shape, strict=True)):
            mask = mask.repeat_interleave(block, dim=axis).narrow(axis, 0, size)
        return mask[None]


def organ_blocks(function: str, scan: MetaTensor) -> OrganBlocks:
    """Average a scan over blocks of about `BLOCK_MM`.

    Args:
        function: name of the public function, for the message.
        scan: CT, ``(1, *spatial)``, affine RAS in mm; any order of axes.

    Raises:
        ValueError: if the scan is not of three axes and one channel.
    """
    if scan.ndim != 4 or scan.shape[0] != 1:
        raise ValueError(f"{function}() expects 'scan' of shape (1, H, W, D), got {tuple(scan.shape)}.")
    spacing = [float(step) for step in scan.affine[:3, :3].norm(dim=0)]
    voxels = [
        max(1, min(size, int(BLOCK_MM / step + ROUNDING))) for size, step in zip(scan.shape[1:], spacing, strict=True)
    ]
    means = F.avg_pool3d(scan.as_tensor().float()[None], voxels, voxels, ceil_mode=True)[0, 0]
    return OrganBlocks(means.cpu().numpy(), voxels, spacing, slice_axis(scan))


def slice_axis(scan: MetaTensor) -> int:
    """The axis of a scan ``(C, *spatial)`` that runs from foot to head."""
    orientation = nib.orientations.io_orientation(scan.affine.cpu().numpy())
    return int((orientation[:, 0] == 2).argmax())
