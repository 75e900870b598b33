"""The base network of paper 000: a displacement at every voxel, guided by coarser ones.

MONAI's U-Nets have no predictions on the way that are handed on to the next level.
"""

import torch
from monai.networks.blocks import Convolution
from monai.networks.layers import Conv
from torch import Tensor, nn

from common.networks.blocks.tweening_encoder import ACTIVATION, TweeningEncoder

SCALE = 20.0  # voxels for an answer of 1
DOUBLING = {"kernel_size": 4, "stride": 2, "padding": 1, "bias": False}


class DenseSubnetwork(nn.Module):
    """Predicts the displacement of every voxel.

    Each level hands on its map, doubled by a transposed convolution, and a field that it predicts, doubled by another
    one; both are joined with the map of the encoder. The last field is 20 times the answer of a linear layer.

    Args:
        spatial_dims: 2 or 3.
        in_channels, base_channels, levels: see `common.networks.blocks.TweeningEncoder`; two levels or more.

    Reference:
        Zhao et al., "Unsupervised 3D End-to-End Medical Image Registration With Volume Tweening Network", JBHI 2020,
        https://doi.org/10.1109/JBHI.2019.2951024 -- section III; sizes of the released code.

    Example:
        >>> DenseSubnetwork(base_channels=1, levels=3)(torch.rand(1, 2, 8, 16, 8)).shape
        torch.Size([1, 3, 8, 16, 8])
    """

    def __init__(self, spatial_dims: int = 3, in_channels: int = 2, base_channels: int = 16, levels: int = 6) -> None:
        super().__init__()
        double, dims = Conv[Conv.CONVTRANS, spatial_dims], spatial_dims
        self.encoder = TweeningEncoder(dims, in_channels, base_channels, levels)
        self.predictions, self.field_doublings, self.doublings = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        width = self.encoder.widths[-1]
        for narrow in self.encoder.widths[-2::-1]:
            self.predictions.append(Convolution(dims, width, dims, conv_only=True))
            self.field_doublings.append(double(dims, dims, **DOUBLING))
            self.doublings.append(
                Convolution(dims, width, narrow, strides=2, kernel_size=4, padding=1, output_padding=0, bias=False,
                            is_transposed=True, **ACTIVATION)
            )  # fmt: skip
            width = 2 * narrow + dims
        self.head = double(width, dims, **DOUBLING)

    def forward(self, image: Tensor) -> Tensor:
        """Predict.

        Args:
            image: `(B, in_channels, *spatial)`, sides that can be halved as often as there are levels.

        Returns:
            Displacement, `(B, d, *spatial)`, voxels.
        """
        features, *finer = self.encoder(image)[::-1]
        for predict, double_field, double, skipped in zip(
            self.predictions, self.field_doublings, self.doublings, finer, strict=True
        ):
            features = torch.cat([skipped, double(features), double_field(predict(features))], dim=1)
        ddf: Tensor = self.head(features)
        return SCALE * ddf.float()
