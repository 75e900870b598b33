"""The feature network of paper 003: from an image to what coupled convex optimization compares.

MONAI has no network of plain strided convolutions with a way out in the middle.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

STRIDES = (2, 1, 2, 1, 2)
WIDTHS = (32, 64, 128, 128, 128)


class SelfTrainingFeatureNet(nn.Sequential):
    """Five 3^d convolutions, each with batch normalization and ReLU, and a last one of one voxel.

    The paper speaks of six; these are the five of the released code, whose weights load: the layers are numbered as
    there. The random projection that the released code draws for the features of the instance optimization, anew for
    every pair, is drawn once from a seed here and kept out of the checkpoint.

    Args:
        widths: channels after each of the five convolutions.
        out_channels: channels of the coarse features.
        projected_channels: channels of the fine features.
        spatial_dims: 2 or 3.
        seed: of the projection.

    Raises:
        ValueError: if `widths` are not five or `spatial_dims` is not 2 or 3.

    Reference:
        Bigalke et al., "Unsupervised 3D Registration through Optimization-Guided Cyclical Self-training", MICCAI 2023,
        https://doi.org/10.1007/978-3-031-43999-5_64 -- section 3.1 and released code.

    Example:
        >>> net = SelfTrainingFeatureNet().eval()
        >>> image = torch.rand(1, 1, 16, 24, 32)
        >>> net(image).shape, net(image, 2).shape
        (torch.Size([1, 16, 2, 3, 4]), torch.Size([1, 32, 8, 12, 16]))
    """

    centered = False  # a strided convolution looks at the first voxel of those it stands for
    projection: Tensor

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        out_channels: int = 16,
        projected_channels: int = 32,
        spatial_dims: int = 3,
        seed: int = 0,
    ) -> None:
        _check(widths, spatial_dims)
        convolution: type[nn.Conv2d | nn.Conv3d] = nn.Conv3d if spatial_dims == 3 else nn.Conv2d
        normalization: type[nn.BatchNorm2d | nn.BatchNorm3d] = nn.BatchNorm3d if spatial_dims == 3 else nn.BatchNorm2d
        layers: list[nn.Module] = []
        for inputs, outputs, stride in zip((1, *widths), widths, STRIDES, strict=False):
            layers += [convolution(inputs, outputs, 3, stride, padding=1), normalization(outputs), nn.ReLU()]
        super().__init__(*layers, convolution(widths[-1], out_channels, 1))
        projection = _draw_projection(projected_channels, widths[1], seed)
        self.register_buffer("projection", projection, persistent=False)  # (out, in)

    def forward(self, image: Tensor, stride: int = 8) -> Tensor:
        """Compute features.

        Args:
            image: `(B, 1, *spatial)`, Hounsfield units / 500, clamped to [-0.4, 0.6].
            stride: 8 for the coarse features, 2 for the fine ones of the instance optimization: those of the second
                convolution, projected.

        Returns:
            `(B, out_channels or projected_channels, *spatial / stride)`.

        Raises:
            ValueError: if the stride is neither.
        """
        if stride != 2 and stride != 8:
            raise ValueError(f"SelfTrainingFeatureNet() expects 'stride' of 2 or 8, got {stride}.")
        features = image
        for number, layer in enumerate(self):
            if stride == 8 or number < 6:
                features = layer(features)
        if stride == 2:
            features = torch.einsum("pc,bc...->bp...", self.projection, features)
        return features


def _draw_projection(outputs: int, inputs: int, seed: int) -> Tensor:
    """Uniform weights within `1 / sqrt(inputs)`, as a fresh convolution has them."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(outputs, inputs, generator=generator) * 2 - 1) / inputs**0.5


def _check(widths: Sequence[int], spatial_dims: int) -> None:
    if len(widths) != len(STRIDES):
        raise ValueError(f"SelfTrainingFeatureNet() expects 'widths' of {len(STRIDES)} numbers, got {len(widths)}.")
    if spatial_dims not in (2, 3):
        raise ValueError(f"SelfTrainingFeatureNet() expects 'spatial_dims' of 2 or 3, got {spatial_dims}.")
