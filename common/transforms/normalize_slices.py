"""Intensities of two-dimensional networks: every slice to [0, 1] between its own percentiles.

MONAI's `ScaleIntensityRangePercentiles` takes the percentiles of a whole volume, and is slow: it sorts every voxel.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

PERCENTILES = (1.0, 99.0)


def normalize_slices(image: torch.Tensor, percentiles: Sequence[float] = PERCENTILES) -> torch.Tensor:
    """Scale each slice of each channel to [0, 1] between two percentiles of it, and clip.

    Args:
        image: ``(C, H, W)``, one slice a channel, or ``(C, H, W, D)``, D slices; floating.
        percentiles: what becomes 0 and 1. Where the two coincide, as in an image that is nearly all background, the
            least and the greatest value do.

    Returns:
        The same shape and type; 0 where a slice is constant.

    Raises:
        ValueError: if the image has other axes, or the percentiles are not two ascending numbers from 0 to 100.

    Example:
        >>> normalize_slices(torch.arange(5.0).reshape(1, 1, 5), (0, 50))
        tensor([[[0.0000, 0.5000, 1.0000, 1.0000, 1.0000]]])
    """
    if image.ndim not in (3, 4):
        shape = tuple(image.shape)
        raise ValueError(f"normalize_slices() expects 'image' of shape (C, H, W) or (C, H, W, D), got {shape}.")
    if len(percentiles) != 2 or not 0 <= percentiles[0] < percentiles[1] <= 100:
        raise ValueError(f"normalize_slices() expects two ascending 'percentiles' from 0 to 100, got {percentiles}.")
    plain = image.as_tensor() if isinstance(image, MetaTensor) else image
    values = plain.detach().cpu().numpy()
    low, high = np.percentile(values, percentiles, axis=(1, 2), keepdims=True)  # NumPy's selects, torch's sorts
    if (high <= low).any():
        ends = values.min(axis=(1, 2), keepdims=True), values.max(axis=(1, 2), keepdims=True)
        low, high = np.where(high > low, (low, high), ends)
    width = np.where(high > low, high - low, 1)
    start, step = (torch.as_tensor(each, dtype=plain.dtype, device=plain.device) for each in (low, width))
    scaled = ((plain - start) / step).clamp_(0, 1)
    return MetaTensor(scaled, meta=dict(image.meta)) if isinstance(image, MetaTensor) else scaled


class NormalizeSlicesd(MapTransform):
    """Dictionary form of `normalize_slices`.

    Args:
        keys: images, ``(C, H, W)`` or ``(C, H, W, D)``.
        percentiles: what becomes 0 and 1.
    """

    def __init__(self, keys: KeysCollection, percentiles: Sequence[float] = PERCENTILES) -> None:
        super().__init__(keys)
        self.percentiles = tuple(percentiles)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Normalize."""
        return {**data, **{key: normalize_slices(data[key], self.percentiles) for key in self.keys}}
