"""Convolutions that halve an image and pad it as TensorFlow's "SAME" does.

MONAI's `Convolution` pads evenly at both ends; on sides of even size that sees other voxels.
"""

from typing import Any

import torch.nn.functional as F
from monai.networks.blocks import Convolution
from torch import Tensor


class HalvingConvolution(Convolution):
    """A convolution 3^d with stride 2 for sides of even size, padded by one zero behind the last voxel alone.

    Args:
        spatial_dims: 2 or 3.
        in_channels: of the image.
        out_channels: of the answer.
        options: what MONAI's `Convolution` takes besides.

    Example:
        >>> import torch
        >>> HalvingConvolution(2, 1, 4)(torch.rand(1, 1, 6, 8)).shape
        torch.Size([1, 4, 3, 4])
    """

    def __init__(self, spatial_dims: int, in_channels: int, out_channels: int, **options: Any) -> None:
        super().__init__(spatial_dims, in_channels, out_channels, strides=2, padding=0, **options)

    def forward(self, image: Tensor) -> Tensor:
        """Convolve.

        Args:
            image: `(B, in_channels, *spatial)`, sides of even size.

        Returns:
            `(B, out_channels, *spatial / 2)`.
        """
        answer: Tensor = super().forward(F.pad(image, [0, 1] * (image.ndim - 2)))
        return answer
