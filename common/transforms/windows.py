"""Intensities of abdominal CT in paper 001: one channel per window.

MONAI's `ScaleIntensityRange` takes one window, and scales its limits to [0, 1] whether the scan reaches them or not.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from common.io import InputError

WINDOWS = ((400.0, 40.0), (800.0, 100.0), (1000.0, 400.0))  # soft tissue, wide, bone


def windows_to_channels(image: torch.Tensor, windows: Sequence[Sequence[float]] = WINDOWS) -> torch.Tensor:
    """Clip an image to each window, and scale what is left to [0, 1] by its own minimum and maximum.

    Args:
        image: ``(C, *spatial)``, floating, HU; each channel on its own.
        windows: width and level of each, in the unit of the image.

    Returns:
        ``(C * windows, *spatial)``, all windows of the first channel first; 0 where a window leaves a constant.

    Raises:
        InputError: if there is no window, or one is no width above 0 and a level.

    Reference:
        Estienne et al., Learn2Reg 2020, https://doi.org/10.1007/978-3-030-71827-5_11 -- task 3, released code.

    Example:
        >>> windows_to_channels(torch.tensor([[-500.0, 40.0, 90.0]]), [[400, 40], [100, 40]])
        tensor([[0.0000, 0.8000, 1.0000],
                [0.0000, 0.5000, 1.0000]])
    """
    if not windows or any(len(window) != 2 or not window[0] > 0 for window in windows):
        raise InputError(f"windows_to_channels() expects 'windows' of a width above 0 and a level, got {windows}.")
    return torch.stack([_window(channel, width, level) for channel in image for width, level in windows])


def _window(image: torch.Tensor, width: float, level: float) -> torch.Tensor:
    clipped = image.clamp(level - width / 2, level + width / 2)
    low, high = clipped.min(), clipped.max()
    return (clipped - low) / torch.where(high > low, high - low, 1)


class WindowsToChannelsd(MapTransform):
    """Dictionary form of `windows_to_channels`.

    Args:
        keys: images, ``(C, *spatial)``.
        windows: width and level of each.
    """

    def __init__(self, keys: KeysCollection, windows: Sequence[Sequence[float]] = WINDOWS) -> None:
        super().__init__(keys)
        self.windows = windows

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Split into windows."""
        return {**data, **{key: windows_to_channels(data[key], self.windows) for key in self.keys}}
