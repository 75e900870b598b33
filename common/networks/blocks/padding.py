"""Voxels around an image whose size a network cannot divide as it must.

MONAI's `DivisiblePad` is a transform of one channel-first image; here a network pads its own batch and crops again.
"""

from collections.abc import Sequence
from math import prod

import torch.nn.functional as F
from torch import Tensor


def even_padding(spatial_shape: Sequence[int], divisor: int) -> list[int]:
    """Tell how to pad an image, evenly at both ends, to a multiple of some number; an odd voxel goes to the end.

    An image of one block alone gets a second one along its last axis: instance normalization needs two voxels.

    Args:
        spatial_shape: voxels along each axis.
        divisor: what each axis shall be a multiple of.

    Returns:
        Voxels to add before and after each axis, the last axis first, as `torch.nn.functional.pad` takes them; the same
        numbers below zero crop again.

    Example:
        >>> even_padding((8, 5), 4)
        [1, 2, 0, 0]
    """
    missing = [-n % divisor for n in spatial_shape]
    blocks = prod((n + m) // divisor for n, m in zip(spatial_shape, missing, strict=True))
    missing[-1] = missing[-1] + divisor * (blocks == 1)  # without a branch, so that a trace holds at any size
    return [pad for m in reversed(missing) for pad in (m // 2, m - m // 2)]


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Repeat the last voxels of `(B, C, *spatial)` until a number divides every size; `cut` takes them away again."""
    missing = [-size % multiple for size in image.shape[2:]]
    return F.pad(image, [m for size in reversed(missing) for m in (0, size)], mode="replicate")


def cut(field: Tensor, spatial_shape: Sequence[int]) -> Tensor:
    """Drop what lies beyond a size."""
    for axis, size in enumerate(spatial_shape, start=2):
        field = field.narrow(axis, 0, size)
    return field.contiguous()
