"""A registration network from coarse to fine: one encoder for both scans, whose features are warped and compared.

MONAI's registration networks see both scans stacked, and have to find in their weights what a comparison tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from monai.networks.blocks import Convolution
from torch import Tensor, nn

from common.networks.blocks.memory_format import CHANNELS_LAST
from common.networks.blocks.padding import even_padding
from common.networks.blocks.traced import Traced
from common.optimization import correlation_volume
from common.spatial import compose, warp
from common.spatial.checks import check_channels

STEM = 8  # channels at full resolution
RADIUS = 1  # of the comparison, voxels of each level
REACH = 2.0  # most voxels of its level by which one step moves
OPTIONS: dict[str, Any] = {"adn_ordering": "A", "act": ("LEAKYRELU", {"negative_slope": 0.1})}
LINEAR = {2: "bilinear", 3: "trilinear"}


class PyramidPrediction(NamedTuple):
    """What the network answers in training mode.

    Attributes:
        ddf: displacement, `(B, d, *spatial)`, voxels.
        reverse: that from the moving to the fixed grid; None without the symmetric formulation.
    """

    ddf: Tensor
    reverse: PyramidPrediction | None = None


class PyramidNet(nn.Module):
    r"""Registers two images from coarse to fine by features that are warped and compared at every level.

    Each level l, the coarsest first, warps the features M of the moving image by the field so far, brought to its grid,
    and decodes from F, the warped M and the costs C of the steps around each voxel what to add:

    .. math:: u_l(x) = s(x) + u_{l+1}(x + s(x)), \quad s = 2 \tanh D_l(F_l, M_l \circ u_{l+1}, C_l)

    The finest level has half the resolution of the images, and is repeated with the same weights; its field is
    interpolated. There is no normalization, so what surrounds a scan changes nothing far from it. Images of any size
    are padded with zeros, evenly at both ends, to a multiple of two to the number of levels.

    Args:
        spatial_dims: 2 or 3.
        in_channels: of one scan.
        widths: channels of the levels, from fine to coarse.
        repetitions: how often the finest level runs.
        symmetric: predict both directions in training mode.

    Raises:
        ValueError: if an image has other channels than two scans.

    Reference:
        Kang et al., "Dual-stream pyramid registration network", Medical Image Analysis 2022,
        https://doi.org/10.1016/j.media.2022.102379, features warped at every level and compared nearby; repeated as by
        Teed and Deng, "RAFT", ECCV 2020, https://doi.org/10.1007/978-3-030-58536-5_24.

    Example:
        >>> net = PyramidNet(widths=(4, 8)).eval()
        >>> net(torch.rand(1, 2, 20, 18, 17)).shape
        torch.Size([1, 3, 20, 18, 17])
    """

    def __init__(
        self,
        spatial_dims: int = 3,
        in_channels: int = 1,
        widths: Sequence[int] = (24, 32, 48),
        repetitions: int = 3,
        symmetric: bool = True,
    ) -> None:
        super().__init__()
        self.spatial_dims = spatial_dims
        self.in_channels = in_channels
        self.repetitions = repetitions
        self.symmetric = symmetric
        self.divisor = 2 ** len(widths)
        self.stem = Convolution(spatial_dims, in_channels, STEM, **OPTIONS)
        self.encoders = nn.ModuleList(_encoder(spatial_dims, *each) for each in pairwise((STEM, *widths)))
        self.decoders = nn.ModuleList(_decoder(spatial_dims, width) for width in widths)

    def forward(self, image: Tensor) -> Tensor | PyramidPrediction:
        """Register.

        Args:
            image: fixed and moving scan, `(B, 2 * in_channels, *spatial)`, scaled to [0, 1].

        Returns:
            Displacement on the fixed grid, `(B, d, *spatial)`, voxels; in training mode all predictions.
        """
        check_channels("PyramidNet", image, 2 * self.in_channels, "fixed then moving")
        pads = even_padding(image.shape[2:], self.divisor)
        scans = torch.cat(F.pad(image, pads).chunk(2, dim=1))
        features = self.stem(scans.contiguous(memory_format=CHANNELS_LAST[self.spatial_dims]))
        levels = []
        for encoder in self.encoders:
            features = encoder(features)
            fixed, moving = features.chunk(2)
            if self.training and self.symmetric:
                fixed, moving = torch.cat([fixed, moving]), torch.cat([moving, fixed])
            levels.append((fixed, moving))
        ddf = F.pad(self._double(self._register(levels)), [-pad for pad in pads])
        if not self.training:
            return ddf
        if not self.symmetric:
            return PyramidPrediction(ddf)
        forth, back = ddf.chunk(2)
        return PyramidPrediction(forth, PyramidPrediction(back))

    def __prepare_scriptable__(self) -> nn.Module:
        """Give TorchScript what it can read, see `common.networks.blocks.Traced`."""
        return Traced(self, torch.zeros(1, 2 * self.in_channels, *[2 * self.divisor] * self.spatial_dims))

    def _register(self, levels: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Displacement on the grid of the finest level, in its voxels."""
        *finer, (fixed, moving) = levels
        ddf = self._step(-1, fixed, moving)
        for level in range(len(finer) - 1, -1, -1):
            fixed, moving = finer[level]
            ddf = self._double(ddf)
            for _ in range(1 if level else self.repetitions):
                ddf = compose(self._step(level, fixed, warp(moving, ddf)), ddf)
        return ddf

    def _step(self, level: int, fixed: Tensor, warped: Tensor) -> Tensor:
        cost = correlation_volume(fixed, warped, RADIUS) / fixed.shape[1]
        seen = torch.cat([fixed, warped, cost.to(fixed.dtype)], dim=1)
        step: Tensor = self.decoders[level](seen.contiguous(memory_format=CHANNELS_LAST[self.spatial_dims]))
        return REACH * step.float().tanh()

    def _double(self, ddf: Tensor) -> Tensor:
        """A field on a grid of half the step, in its voxels."""
        return 2 * F.interpolate(ddf, scale_factor=2, mode=LINEAR[self.spatial_dims], align_corners=False)


def _encoder(spatial_dims: int, before: int, width: int) -> nn.Sequential:
    """Halves the resolution, then two convolutions."""
    halve = Convolution(spatial_dims, before, width, strides=2, kernel_size=2, padding=0, **OPTIONS)
    return nn.Sequential(halve, *(Convolution(spatial_dims, width, width, **OPTIONS) for _ in range(2)))


def _decoder(spatial_dims: int, width: int) -> nn.Sequential:
    """From two feature maps and their costs to a displacement, which begins near zero."""
    seen = 2 * width + (2 * RADIUS + 1) ** spatial_dims
    head = Convolution(spatial_dims, width, spatial_dims, conv_only=True)
    nn.init.normal_(head.get_parameter("conv.weight"), std=1e-3)
    nn.init.zeros_(head.get_parameter("conv.bias"))
    between = (Convolution(spatial_dims, *each, **OPTIONS) for each in ((seen, width), (width, width)))
    return nn.Sequential(*between, head)
