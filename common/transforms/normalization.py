"""Intensities of paper 001: the foreground's mean and deviation decide what is clipped.

MONAI's `NormalizeIntensity` has no clipping between, and with `nonzero` it leaves the background as it was.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

DEVIATIONS = 5.0


def normalize_foreground(image: torch.Tensor, deviations: float = DEVIATIONS) -> torch.Tensor:
    """Clip an image at some standard deviations around its mean, both of the voxels above 0, and scale it to [0, 1].

    Args:
        image: ``(C, *spatial)``, floating; each channel on its own.
        deviations: where it is clipped.

    Returns:
        The same shape and type; 0 where a channel is constant.

    Reference:
        Estienne et al., Learn2Reg 2020, https://doi.org/10.1007/978-3-030-71827-5_11 -- task 4, released code.

    Example:
        >>> normalize_foreground(torch.tensor([[0.0, 1.0, 3.0]]))
        tensor([[0.0000, 0.3333, 1.0000]])
    """
    return torch.stack([_normalize(channel, deviations) for channel in image])


def _normalize(channel: torch.Tensor, deviations: float) -> torch.Tensor:
    foreground = channel[channel > 0]
    if len(foreground):
        mean, deviation = foreground.mean(), foreground.std(correction=0)
        channel = channel.clamp(mean - deviations * deviation, mean + deviations * deviation)
    low, high = channel.min(), channel.max()
    return (channel - low) / torch.where(high > low, high - low, 1)


class NormalizeForegroundd(MapTransform):
    """Dictionary form of `normalize_foreground`.

    Args:
        keys: images, ``(C, *spatial)``.
        deviations: where they are clipped.
    """

    def __init__(self, keys: KeysCollection, deviations: float = DEVIATIONS) -> None:
        super().__init__(keys)
        self.deviations = deviations

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Normalize."""
        return {**data, **{key: normalize_foreground(data[key], self.deviations) for key in self.keys}}
