"""Intensities of abdominal CT in paper 001: one channel per window.

MONAI's `ScaleIntensityRange` takes one window, and scales its limits to [0, 1] whether the scan reaches them or not.
"""

from collections.abc import Sequence

import torch
from monai.transforms import Transform
from torch import Tensor

from common.io import InputError

from .normalize_foreground import scale_to_range

WINDOWS = ((400.0, 40.0), (800.0, 100.0), (1000.0, 400.0))  # soft tissue, wide, bone


class WindowsToChannels(Transform):
    """Clip an image to each window, and scale what is left to [0, 1] by its own minimum and maximum.

    Args:
        windows: width and level of each, in the unit of the image.

    Raises:
        InputError: if there is no window, or one is no width above 0 and a level.

    Reference:
        Estienne et al., Learn2Reg 2020, https://doi.org/10.1007/978-3-030-71827-5_11 -- task 3, released code.

    Example:
        >>> WindowsToChannels([[400, 40], [100, 40]])(torch.tensor([[-500.0, 40.0, 90.0]]))
        tensor([[0.0000, 0.8000, 1.0000],
                [0.0000, 0.5000, 1.0000]])
    """

    def __init__(self, windows: Sequence[Sequence[float]] = WINDOWS) -> None:
        if not windows or any(len(window) != 2 or not window[0] > 0 for window in windows):
            raise InputError(f"WindowsToChannels() expects 'windows' of a width above 0 and a level, got {windows}.")
        self.windows = windows

    def __call__(self, image: Tensor, inside: Tensor | None = None) -> Tensor:
        """Split into windows.

        Args:
            image: ``(C, *spatial)``, floating, HU; each channel on its own.
            inside: voxels that count, bool of the same shape; by default all.

        Returns:
            ``(C * windows, *spatial)``, all windows of the first channel first; 0 where a window leaves a constant.
        """
        counts = torch.ones_like(image, dtype=torch.bool) if inside is None else inside
        channels = [
            scale_to_range(channel.clamp(level - width / 2, level + width / 2), known)
            for channel, known in zip(image, counts, strict=True)
            for width, level in self.windows
        ]
        return torch.stack(channels)
