"""Encoder and decoder of paper 001: the stages its registration and its segmentation network share.

MONAI's `VNet` joins by addition, has batch normalization inside and no stage without any; its `Convolution` serves.
"""

from collections.abc import Callable, Sequence
from typing import Any

from monai.networks.blocks import Convolution
from torch import Tensor, cat, nn
from torch.utils.checkpoint import checkpoint

# Convolutions a stage after each halving, from fine to coarse, and channels of the first stage by multiplier.
CONVOLUTIONS = (1, 2, 3, 2)
CHANNELS = 4


class Encoder(nn.Module):
    """A first stage at full resolution without normalization, and one stage after each halving.

    Args:
        spatial_dims: 2 or 3.
        in_channels: of the scan.
        multiplier: the widths are `4, 8, 16, ...` times this; 8 in the paper.
        convolutions: number of 3^d convolutions in the stage after each halving.
        activation: name of MONAI's factory, or name and arguments.
        checkpointing: compute activations again in the backward pass instead of keeping them.
    """

    def __init__(
        self,
        spatial_dims: int,
        in_channels: int,
        multiplier: int,
        convolutions: Sequence[int],
        activation: str | tuple,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.widths = stage_widths(multiplier, len(convolutions))
        self.checkpointing = checkpointing
        plain: dict[str, Any] = {"adn_ordering": "A", "act": activation}
        self.enter = Convolution(spatial_dims, in_channels, self.widths[0], **plain)
        self.refine = Convolution(spatial_dims, self.widths[0], self.widths[0], **plain)
        options: dict[str, Any] = {"adn_ordering": "NA", "act": activation, "norm": "INSTANCE"}
        self.stages = nn.ModuleList()
        for count, narrow, wide in zip(convolutions, self.widths, self.widths[1:], strict=False):
            halve = Convolution(spatial_dims, narrow, wide, strides=2, kernel_size=2, padding=0, **options)
            rest = [Convolution(spatial_dims, wide, wide, **options) for _ in range(count)]
            self.stages.append(nn.Sequential(halve, *rest))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Encode `(B, C, *spatial)`; return each level, `(B, width, *spatial / 2^level)`, from fine to coarse."""
        levels = [run(self._first_stage, image, self.checkpointing and self.training)]
        for stage in self.stages:
            levels.append(run(stage, levels[-1], self.checkpointing and self.training))
        return levels

    def _first_stage(self, image: Tensor) -> Tensor:
        entered: Tensor = self.enter(image)
        refined: Tensor = self.refine(entered)
        return entered + refined


class Decoder(nn.Module):
    """One stage after each doubling: transposed convolution, joined with the level of the encoder, convolutions.

    Args:
        spatial_dims: 2 or 3.
        multiplier: as of the encoder.
        convolutions: as of the encoder.
        activation: as of the encoder.
        residual: each stage adds to what the transposed convolution gave (the authors' hippocampus code) or replaces
            it (their abdominal code).
        checkpointing: compute activations again in the backward pass instead of keeping them.
    """

    def __init__(
        self,
        spatial_dims: int,
        multiplier: int,
        convolutions: Sequence[int],
        activation: str | tuple,
        residual: bool = True,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        widths = stage_widths(multiplier, len(convolutions))[::-1]  # from coarse to fine
        self.residual = residual
        self.checkpointing = checkpointing
        options: dict[str, Any] = {"adn_ordering": "NA", "act": activation, "norm": "INSTANCE"}
        self.doublings, self.stages = nn.ModuleList(), nn.ModuleList()
        for count, wide, narrow in zip(convolutions[::-1], widths, widths[1:], strict=False):
            sizes: dict[str, Any] = {"strides": 2, "kernel_size": 2, "padding": 0, "output_padding": 0}
            self.doublings.append(Convolution(spatial_dims, wide, narrow, is_transposed=True, **sizes, **options))
            joined = [2 * narrow] + [narrow] * (count - 1)
            self.stages.append(nn.Sequential(*[Convolution(spatial_dims, n, narrow, **options) for n in joined]))

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        """Decode the encoder's levels, from fine to coarse; return one tensor a level, from coarse to fine."""
        outputs = [levels[-1]]
        for doubling, stage, level in zip(self.doublings, self.stages, levels[-2::-1], strict=True):
            doubled = run(doubling, outputs[-1], self.checkpointing and self.training)
            refined = run(stage, cat([doubled, level], dim=1), self.checkpointing and self.training)
            outputs.append(doubled + refined if self.residual else refined)
        return outputs


def stage_widths(multiplier: int, halvings: int) -> list[int]:
    """Channels of the stages from fine to coarse."""
    return [CHANNELS * multiplier * 2**level for level in range(halvings + 1)]


def run(stage: Callable[[Tensor], Tensor], features: Tensor, checkpointing: bool) -> Tensor:
    """Apply a stage, on request without keeping what happens inside it."""
    if checkpointing:
        again: Tensor = checkpoint(stage, features, use_reentrant=False)
        return again
    result: Tensor = stage(features)
    return result
