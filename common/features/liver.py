"""The box around the liver: of its mask or, roughly, found in a CT scan itself.

MONAI's `CropForeground` takes all that is brighter than a threshold.
"""

from collections.abc import Sequence

import numpy as np
from monai.data import MetaTensor
from numpy.typing import NDArray
from scipy import ndimage

from .organ_blocks import OrganBlocks, organ_blocks

LIVER = (50.0, 180.0)  # HU; fat, bowel and muscle are darker, bone is brighter
BIN, SPREAD = 10.0, 30.0  # HU, of what is most frequent there: the liver is the largest of its organs
RADIUS_MM = 16.0  # of the disc in a slice
SHARE = 0.7  # of it that must look like liver: bowel, muscle and vessels are thinner
LEAST_LITERS = 0.3
MARGIN = (0.1, 5)  # added on each side: the share of the box or the voxels, whichever is more


def liver_box(scan: MetaTensor, mask: MetaTensor | None = None) -> tuple[slice, ...]:
    """Find the box that holds the liver, with a margin.

    Without a mask the liver is the largest piece of the most frequent tissue between muscle and bone, where most of
    its surroundings in the slice look like it; spleen or heart may be in it where they are as bright and touch it.

    Args:
        scan: CT, ``(1, *spatial)``, HU, affine RAS in mm; any order of axes.
        mask: above 0 in the liver, same shape.

    Returns:
        One slice a spatial axis; the whole scan where there is no liver.

    Raises:
        ValueError: if the scan is not of three axes and one channel.

    Reference:
        Zhao et al., "Recursive cascaded networks for unsupervised medical image registration", ICCV 2019,
        https://arxiv.org/abs/1907.12353 -- the preparation of scans in the released code, whose steps these are.

    Example:
        >>> import torch
        >>> scan = torch.full((1, 40, 40, 40), -80.0)
        >>> scan[:, 8:28, 10:30, 10:26] = 100.0
        >>> liver_box(MetaTensor(scan, affine=torch.diag(torch.tensor([4.0, 4, 4, 1]))))
        (slice(4, 32, None), slice(6, 34, None), slice(5, 31, None))
    """
    if mask is not None:
        return _padded((mask[0] > 0).cpu().numpy(), scan.shape[1:], (1, 1, 1))
    blocks = organ_blocks("liver_box", scan)
    return _padded(_largest_liver(blocks), scan.shape[1:], blocks.voxels)


def _largest_liver(blocks: OrganBlocks) -> NDArray:
    """The largest piece of what looks like the most frequent soft tissue; nothing where that is too small."""
    small, slice_axis = blocks.values, blocks.slice_axis
    in_plane = np.mean([side for axis, side in enumerate(blocks.sides) if axis != slice_axis])
    radius = max(1, round(RADIUS_MM / in_plane))
    disc = np.expand_dims(np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1]) <= radius, slice_axis)
    alike = _mostly((small > LIVER[0]) & (small < LIVER[1]), disc)
    counts, edges = np.histogram(small[alike], np.arange(LIVER[0], LIVER[1] + 1, BIN))
    mode = edges[counts.argmax()] + BIN / 2
    pieces, count = ndimage.label(_mostly(np.abs(small - mode) < SPREAD, disc))
    volumes = np.bincount(pieces.ravel(), minlength=count + 1) * blocks.liters
    volumes[0] = 0
    return pieces == volumes.argmax() if volumes.max() >= LEAST_LITERS else np.zeros_like(alike)


def _mostly(alike: NDArray, disc: NDArray) -> NDArray:
    """Where most of a disc is alike."""
    return ndimage.convolve(alike.astype(np.float32), disc / disc.sum(), mode="constant") > SHARE


def _padded(found: NDArray, shape: Sequence[int], blocks: Sequence[int]) -> tuple[slice, ...]:
    """The box of what is found on a grid of blocks, in voxels, with its margin; all where nothing is."""
    box = []
    for axis, (size, block) in enumerate(zip(shape, blocks, strict=True)):
        planes = np.flatnonzero(found.any(axis=tuple(other for other in range(3) if other != axis)))
        if not len(planes):
            return tuple(slice(0, each) for each in shape)
        start, stop = int(planes[0]) * block, (int(planes[-1]) + 1) * block
        margin = max(round(MARGIN[0] * (stop - start)), MARGIN[1])
        box.append(slice(max(start - margin, 0), min(stop + margin, size)))
    return tuple(box)
