"""The registration network of paper 001: one encoder for both scans, their difference decoded, gradients integrated.

MONAI's registration networks see both scans stacked and predict a displacement; none is symmetric.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.networks.blocks.gradient_stages import CONVOLUTIONS, Decoder, Encoder, stage_widths
from common.networks.blocks.padding import even_padding
from common.networks.blocks.traced import Traced
from common.spatial import integrate_gradients
from common.spatial.checks import check_channels

LEAKY = ("LEAKYRELU", {"negative_slope": 0.01})


class GradientPrediction(NamedTuple):
    """What the network answers in training mode.

    Attributes:
        ddf: displacement, `(B, d, *spatial)`, voxels.
        gradients: what it was integrated from, the same shape, in (0, 1).
        levels: displacements of the deep supervision at full resolution, from coarse to fine, without `ddf`.
        reverse: the prediction from the moving to the fixed grid; None without the symmetric formulation.
    """

    ddf: Tensor
    gradients: Tensor
    levels: tuple[Tensor, ...]
    reverse: GradientPrediction | None = None


class SymmetricGradientNet(nn.Module):
    r"""Registers two images by the difference of their encodings, in both directions at once.

    .. math:: g_{M \to F} = \sigma(D(E(M) - E(F))), \quad g_{F \to M} = \sigma(D(E(F) - E(M)))

    The gradients g are integrated, see `common.spatial.integrate_gradients`. The last layer starts at zero, and with it
    the field. Images of any size are padded, evenly at both ends, to a multiple of two to the number of halvings.

    Args:
        spatial_dims: 2 or 3.
        in_channels: of one scan.
        multiplier: the stages have `4, 8, 16, ...` channels times this; 8 in the paper's code.
        convolutions: number of convolutions in the stage after each halving.
        activation: as MONAI's factory takes it; the authors' abdominal code has "RELU".
        residual: see `common.networks.blocks.Decoder`.
        symmetric: predict both directions in training mode; without it the paper's baseline.
        deep_supervision: predict a field at each coarser level in training mode.
        align_corners: see `common.spatial.integrate_gradients`.
        checkpointing: compute activations again in the backward pass instead of keeping them.
        padding: how images are padded, see `torch.nn.functional.pad`: "constant" (zeros, as the paper) or "replicate".

    Raises:
        ValueError: if the image has other channels than two scans.

    Reference:
        Estienne et al., "Deep learning based registration using spatial gradients and noisy segmentation labels",
        Learn2Reg 2020, https://doi.org/10.1007/978-3-030-71827-5_11 -- section 2 and released code.

    Example:
        >>> net = SymmetricGradientNet(multiplier=1).eval()
        >>> net(torch.rand(1, 2, 20, 36, 18)).shape
        torch.Size([1, 3, 20, 36, 18])
    """

    def __init__(
        self,
        spatial_dims: int = 3,
        in_channels: int = 1,
        multiplier: int = 8,
        convolutions: Sequence[int] = CONVOLUTIONS,
        activation: str | tuple = LEAKY,
        residual: bool = True,
        symmetric: bool = True,
        deep_supervision: bool = True,
        align_corners: bool = True,
        checkpointing: bool = False,
        padding: str = "constant",
    ) -> None:
        super().__init__()
        self.padding = padding
        self.spatial_dims = spatial_dims
        self.in_channels = in_channels
        self.symmetric = symmetric
        self.deep_supervision = deep_supervision
        self.align_corners = align_corners
        self.divisor = 2 ** len(convolutions)
        self.encoder = Encoder(spatial_dims, in_channels, multiplier, convolutions, activation, checkpointing)
        self.decoder = Decoder(spatial_dims, multiplier, convolutions, activation, residual, checkpointing)
        convolution: type[nn.Conv2d | nn.Conv3d] = nn.Conv3d if spatial_dims == 3 else nn.Conv2d
        widths = stage_widths(multiplier, len(convolutions))
        coarse = [convolution(width, spatial_dims, 3, padding=1) for width in widths[:0:-1]]
        self.coarse_heads = nn.ModuleList(coarse if deep_supervision else [])
        self.head = convolution(widths[0], spatial_dims, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, image: Tensor) -> Tensor | GradientPrediction:
        """Register.

        Args:
            image: fixed and moving scan, `(B, 2 * in_channels, *spatial)`, scaled to [0, 1].

        Returns:
            Displacement on the fixed grid, `(B, d, *spatial)`, voxels; in training mode all predictions.
        """
        check_channels("SymmetricGradientNet", image, 2 * self.in_channels, "fixed then moving")
        pads = even_padding(image.shape[2:], self.divisor)
        fixed, moving = F.pad(image, pads, mode=self.padding).chunk(2, dim=1)
        levels = [level.chunk(2) for level in self.encoder(torch.cat([fixed, moving]))]
        differences = [m - f for f, m in levels]
        if self.training and self.symmetric:
            differences = [torch.cat([d, -d]) for d in differences]
        decoded = self.decoder(differences)
        ddf, gradients = self._field(self.head(decoded[-1]), pads)
        if not self.training:
            return ddf
        coarse = [
            self._field(F.interpolate(head(features), size=decoded[-1].shape[2:], mode="nearest"), pads)[0]
            for head, features in zip(self.coarse_heads, decoded, strict=False)
        ]
        if not self.symmetric:
            return GradientPrediction(ddf, gradients, tuple(coarse))
        halves = [field.chunk(2) for field in (ddf, gradients, *coarse)]
        forth, back = ([half[side] for half in halves] for side in (0, 1))
        reverse = GradientPrediction(back[0], back[1], tuple(back[2:]))
        return GradientPrediction(forth[0], forth[1], tuple(forth[2:]), reverse)

    def __prepare_scriptable__(self) -> nn.Module:
        """Give TorchScript what it can read, see `common.networks.blocks.Traced`."""
        return Traced(self, torch.zeros(1, 2 * self.in_channels, *[2 * self.divisor] * self.spatial_dims))

    def _field(self, logits: Tensor, pads: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Displacement and gradients of the unpadded image."""
        gradients = logits.float().sigmoid()
        ddf = integrate_gradients(gradients, self.align_corners)
        inside = [-pad for pad in pads]
        return F.pad(ddf, inside), F.pad(gradients, inside)
