"""Intensities to [0, 1] between two percentiles of what was scanned, of a whole image or of every slice.

MONAI's `ScaleIntensityRangePercentiles` counts padding, takes whole volumes alone, and is slow: it sorts every voxel.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from monai.transforms import Transform
from numpy.typing import NDArray
from torch import Tensor

from common.io import InputError

PARTS = ("image", "slice")


class NormalizePercentiles(Transform):
    """Scale each channel of an image to [0, 1] between two percentiles of it, and clip.

    Args:
        percentiles: what becomes 0 and 1. Where the two coincide, as in an image that is nearly all background, the
            least and the greatest value do.
        per: "image", or "slice" for percentiles of every slice along the last axis of its own; a 2-D image is one.

    Raises:
        InputError: if there are no such parts, or the percentiles are not two ascending numbers from 0 to 100.

    Example:
        >>> NormalizePercentiles((0, 50))(torch.arange(5.0).reshape(1, 1, 5))
        tensor([[[0.0000, 0.5000, 1.0000, 1.0000, 1.0000]]])
    """

    def __init__(self, percentiles: Sequence[float] = (0.5, 99.5), per: str = "image") -> None:
        if len(percentiles) != 2 or not 0 <= percentiles[0] < percentiles[1] <= 100:
            rule = "two ascending 'percentiles' from 0 to 100"
            raise InputError(f"NormalizePercentiles() expects {rule}, got {percentiles}.")
        if per not in PARTS:
            raise InputError(f"NormalizePercentiles() expects 'per' to be one of {', '.join(PARTS)}, got {per}.")
        self.percentiles = tuple(percentiles)
        self.per = per

    def __call__(self, image: Tensor, inside: Tensor | None = None) -> Tensor:
        """Normalize.

        Args:
            image: ``(C, *spatial)``, floating, 2-D or 3-D.
            inside: voxels that count, bool of the same shape; by default all.

        Returns:
            The same shape and type; 0 where all that counts is constant.

        Raises:
            ValueError: if the image has other axes.
        """
        if image.ndim not in (3, 4):
            shape = tuple(image.shape)
            raise ValueError(f"NormalizePercentiles() expects 'image' of shape (C, H, W) or (C, H, W, D), got {shape}.")
        parts = image[..., None] if image.ndim == 3 or self.per == "image" else image  # (C, *, parts)
        counts = torch.ones_like(image, dtype=torch.bool) if inside is None else inside
        ends = [_ends(*each, self.percentiles) for each in _parts(parts, counts.reshape(parts.shape))]
        shape = (len(image), *[1] * (parts.ndim - 2), parts.shape[-1])
        low, high = torch.tensor(ends, dtype=image.dtype, device=image.device).T.reshape(2, *shape)
        scaled = (parts - low) / torch.where(high > low, high - low, 1)
        return scaled.clamp_(0, 1).reshape(image.shape)


def _parts(parts: Tensor, counts: Tensor) -> Iterator[tuple[NDArray, NDArray]]:
    """Values and what of them counts, part by part of channel by channel."""
    values, known = (each.detach().cpu().numpy() for each in (parts, counts))
    for channel in range(len(values)):
        for part in range(values.shape[-1]):
            yield values[channel, ..., part], known[channel, ..., part]


def _ends(values: NDArray, counts: NDArray, percentiles: Sequence[float]) -> tuple[float, float]:
    known = values if counts.all() else values[counts]
    if known.size == 0:
        return 0.0, 0.0
    low, high = np.percentile(known, percentiles)  # NumPy's selects, torch's sorts
    return (low, high) if high > low else (known.min(), known.max())
