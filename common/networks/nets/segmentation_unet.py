"""The segmentation network of paper 001, which labels the scans that nobody annotated.

It is the registration network without the difference in the middle. MONAI's `UNet` and `VNet` have other stages, and
neither takes an image of any size.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.io import InputError
from common.networks.blocks.gradient_stages import CHANNELS, CONVOLUTIONS, Decoder, Encoder, stage_widths
from common.networks.blocks.padding import even_padding
from common.networks.blocks.traced import Traced
from common.spatial.checks import check_channels

LEAKY = ("LEAKYRELU", {"negative_slope": 0.01})


class SegmentationUNet(nn.Module):
    """Gives every voxel a score for each class.

    Stages are those of `common.networks.nets.SymmetricGradientNet`, the decoder's without residual as in the authors'
    abdominal code; the last convolution is 3^d, as there. Images of any size are padded with zeros, evenly at both
    ends, to a multiple of two to the number of halvings.

    Args:
        spatial_dims: 2 or 3.
        in_channels: of the scan, one per window.
        classes: organs and background, which comes first.
        multiplier: the stages have `4, 8, 16, ...` channels times this.
        convolutions: number of convolutions in the stage after each halving.
        activation: as MONAI's factory takes it.
        checkpointing: compute activations again in the backward pass instead of keeping them.

    Raises:
        ValueError: if the image has other channels.

    Reference:
        Estienne et al., "Deep learning based registration using spatial gradients and noisy segmentation labels",
        Learn2Reg 2020, https://doi.org/10.1007/978-3-030-71827-5_11 -- section 2.2 and released code.

    Example:
        >>> import torch
        >>> SegmentationUNet(classes=3, multiplier=1).eval()(torch.rand(1, 1, 20, 36, 18)).shape
        torch.Size([1, 3, 20, 36, 18])
    """

    def __init__(
        self,
        spatial_dims: int = 3,
        in_channels: int = 1,
        classes: int = 12,
        multiplier: int = 4,
        convolutions: Sequence[int] = CONVOLUTIONS,
        activation: str | tuple = LEAKY,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.spatial_dims = spatial_dims
        self.in_channels = in_channels
        self.divisor = 2 ** len(convolutions)
        self.encoder = Encoder(spatial_dims, in_channels, multiplier, convolutions, activation, checkpointing)
        self.decoder = Decoder(spatial_dims, multiplier, convolutions, activation, False, checkpointing)
        convolution: type[nn.Conv2d | nn.Conv3d] = nn.Conv3d if spatial_dims == 3 else nn.Conv2d
        self.head = convolution(stage_widths(multiplier, len(convolutions))[0], classes, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """Segment.

        Args:
            image: `(B, in_channels, *spatial)`, scaled to [0, 1].

        Returns:
            Logits, `(B, classes, *spatial)`.
        """
        check_channels("SegmentationUNet", image, self.in_channels, "one per window")
        pads = even_padding(image.shape[2:], self.divisor)
        decoded = self.decoder(self.encoder(F.pad(image, pads)))
        logits: Tensor = self.head(decoded[-1])
        return F.pad(logits, [-pad for pad in pads])

    def __prepare_scriptable__(self) -> nn.Module:
        """Give TorchScript what it can read, see `common.networks.blocks.Traced`."""
        return Traced(self, torch.zeros(1, self.in_channels, *[2 * self.divisor] * self.spatial_dims))


def load_segmentation_unet(weights: Mapping[str, Tensor]) -> SegmentationUNet:
    """Build the network that some weights belong to, and load them.

    Args:
        weights: `state_dict` of a `SegmentationUNet`; its shapes tell all settings but the activation, which is the
            default one.

    Raises:
        InputError: if they are of another network.
    """
    try:
        width, in_channels, *kernel = weights["encoder.enter.conv.weight"].shape
        names = [name.split(".") for name in weights if name.startswith("encoder.stages.") and name.endswith("weight")]
        stages = [int(name[2]) for name in names]
        convolutions = [stages.count(stage) - 1 for stage in range(max(stages) + 1)]  # one of each stage halves
        classes = len(weights["head.weight"])
        net = SegmentationUNet(len(kernel), in_channels, classes, width // CHANNELS, convolutions)
        net.load_state_dict(weights)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InputError("load_segmentation_unet() expects weights of a SegmentationUNet, got others.") from error
    return net
