"""The encoder of paper 000, the same in its affine and in its dense subnetworks.

MONAI's encoders normalize, pool, or pad evenly.
"""

from typing import Any

from monai.networks.blocks import Convolution
from torch import Tensor, nn

from .same_padding import HalvingConvolution

PLAIN_STAGES = 2  # halve alone; later ones have a second convolution
ACTIVATION: dict[str, Any] = {"adn_ordering": "A", "act": ("LEAKYRELU", {"negative_slope": 0.1})}


class TweeningEncoder(nn.Module):
    """Stages that each halve the image and double the channels, without normalization.

    Args:
        spatial_dims: 2 or 3.
        in_channels: of both images together.
        base_channels: of the first stage.
        levels: number of stages.

    Reference:
        Zhao et al., "Unsupervised 3D End-to-End Medical Image Registration With Volume Tweening Network", JBHI 2020,
        https://doi.org/10.1109/JBHI.2019.2951024 -- figure 3 and released code.
    """

    def __init__(self, spatial_dims: int, in_channels: int, base_channels: int, levels: int) -> None:
        super().__init__()
        self.widths = [base_channels * 2**level for level in range(levels)]
        self.stages = nn.ModuleList()
        for level, (before, width) in enumerate(zip([in_channels, *self.widths], self.widths, strict=False)):
            layers: list[nn.Module] = [HalvingConvolution(spatial_dims, before, width, **ACTIVATION)]
            if level >= PLAIN_STAGES:
                layers.append(Convolution(spatial_dims, width, width, **ACTIVATION))
            self.stages.append(nn.Sequential(*layers))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Encode.

        Args:
            image: `(B, in_channels, *spatial)`, sides that can be halved as often as there are stages.

        Returns:
            What each stage gives, `(B, width, *spatial / 2^level)`, from fine to coarse.
        """
        maps = [image]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps[1:]
