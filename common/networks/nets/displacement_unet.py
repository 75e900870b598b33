"""The U-Net of paper 002, a displacement at every voxel: its baseline, and what progressive training leaves.

MONAI's `UNet` and `BasicUNet` have other stages, normalize a batch by itself, and take no image of any size.
"""

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.networks.blocks.folding_convolution import FoldingConvolution
from common.networks.blocks.memory_format import CHANNELS_LAST
from common.networks.blocks.padding import even_padding
from common.networks.blocks.running_norm import RUNNING_NORM
from common.networks.blocks.traced import Traced
from common.spatial.checks import check_channels

LEAKY = ("LEAKYRELU", {"negative_slope": 0.01})
CONVOLUTION: dict[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
UPSAMPLING: dict[int, Any] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
POOLING = {2: F.max_pool2d, 3: F.max_pool3d}

TRAINING_LAYERS = ("level_inputs.", "level_outputs.")  # of a `ProgressiveUNet` that has grown to this network


class DisplacementUNet(nn.Module):
    """Predicts the displacement in voxels, linearly, from the two images stacked.

    The stages are those of the 3-D U-Net with half as many channels and one level more. Each convolution 3^d is
    followed by batch normalization with running statistics and a leaky ReLU of slope 0.01; levels are halved by maximum
    pooling and doubled by transposed convolutions that keep their width. Weights start as Glorot's normal ones. Images
    of any size are padded with zeros, evenly at both ends, to a multiple of two to the number of halvings.

    Args:
        spatial_dims: 2 or 3.
        in_channels: of both images together.
        base_channels: of the first convolution; the widths of the levels are 2, 4, ... times this.
        levels: resolutions, at least one.

    Raises:
        ValueError: if there is no level, or an image has other channels.

    Reference:
        Eppenhof et al., "Progressively trained convolutional neural networks for deformable image registration", TMI
        2020, https://doi.org/10.1109/TMI.2019.2953788 -- section II and figure 1; the widths are those of Cicek et al.,
        "3D U-Net", MICCAI 2016, halved.

    Example:
        >>> DisplacementUNet(base_channels=2, levels=3).eval()(torch.rand(1, 2, 20, 17, 18)).shape
        torch.Size([1, 3, 20, 17, 18])
    """

    unused_weights: tuple[str, ...] = TRAINING_LAYERS

    def __init__(self, spatial_dims: int = 3, in_channels: int = 2, base_channels: int = 16, levels: int = 5) -> None:
        super().__init__()
        if levels < 1:
            raise ValueError(f"{type(self).__name__}() expects 'levels' of 1 or more, got {levels}.")
        self.settings = {
            "spatial_dims": spatial_dims,
            "in_channels": in_channels,
            "base_channels": base_channels,
            "levels": levels,
        }
        self.spatial_dims = spatial_dims
        self.in_channels = in_channels
        self.levels = levels
        widths = [base_channels * 2**k for k in range(levels, -1, -1)]  # of levels from coarse to fine, and one beyond
        entering = [*widths[1:-1], in_channels]
        # All lists run from coarse to fine, as the paper counts levels.
        self.encoders = nn.ModuleList(
            _stage(spatial_dims, before, half, width)
            for before, half, width in zip(entering, widths[1:], widths, strict=False)
        )
        self.upsamplings = nn.ModuleList(
            UPSAMPLING[spatial_dims](width, width, kernel_size=2, stride=2) for width in widths[: levels - 1]
        )
        self.decoders = nn.ModuleList(
            _stage(spatial_dims, below + width, width, width) for below, width in pairwise(widths[:levels])
        )
        self.head = CONVOLUTION[spatial_dims](widths[levels - 1], spatial_dims, 1)
        start_glorot(self)

    def forward(self, image: Tensor) -> Tensor:
        """Register.

        Args:
            image: fixed and moving image, `(B, in_channels, *spatial)`.

        Returns:
            Displacement on the fixed grid, `(B, d, *spatial)`, voxels.
        """
        check_channels(type(self).__name__, image, self.in_channels, "fixed then moving")
        pads = even_padding(image.shape[2:], 2 ** (self.levels - 1))
        padded = F.pad(image, pads).contiguous(memory_format=CHANNELS_LAST[self.spatial_dims])
        return F.pad(self._displacement(padded), [-pad for pad in pads]).contiguous()

    def _displacement(self, image: Tensor) -> Tensor:
        """Field of an image whose size can be halved often enough."""
        *coarse, finest = self.encoders
        maps = [finest(image)]
        for encoder in reversed(coarse):
            maps.append(encoder(POOLING[self.spatial_dims](maps[-1], 2)))
        features = maps.pop()
        for upsampling, decoder in zip(self.upsamplings, self.decoders, strict=True):
            features = decoder(torch.cat([upsampling(features), maps.pop()], dim=1))
        ddf: Tensor = self.head(features)
        return ddf.float()

    def __prepare_scriptable__(self) -> nn.Module:
        """Give TorchScript what it can read, see `common.networks.blocks.Traced`."""
        return Traced(self, torch.zeros(1, self.in_channels, *[2**self.levels] * self.spatial_dims))


def start_glorot(network: nn.Module) -> None:
    """Draw the weights of all convolutions of a network as Glorot's normal ones, and make their biases zero."""
    for layer in network.modules():
        if isinstance(layer, nn.modules.conv._ConvNd):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


def _stage(spatial_dims: int, *widths: int) -> nn.Sequential:
    """Convolutions from each width to the next."""
    return nn.Sequential(*(_convolution(spatial_dims, *each) for each in pairwise(widths)))


def _convolution(spatial_dims: int, before: int, after: int) -> FoldingConvolution:
    layer = FoldingConvolution(spatial_dims, before, after, adn_ordering="NA", act=LEAKY, norm="BATCH")
    layer.get_submodule("adn").register_module("N", RUNNING_NORM[spatial_dims](after))
    return layer
