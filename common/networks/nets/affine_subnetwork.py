"""The first stem of paper 000: an affine map of the whole image.

MONAI's `GlobalNet` predicts one, too, with other layers, and answers with its field alone.
"""

from collections.abc import Sequence

import torch
from monai.networks.layers import Conv
from torch import Tensor, nn

from common.networks.blocks.tweening_encoder import TweeningEncoder
from common.spatial import affine_displacement


class AffineSubnetwork(nn.Module):
    r"""Predicts an affine map about the middle c of the image.

    .. math:: u(x) = W (x - c) + b

    W and b are read from the coarsest map by convolutions as large as it is.

    Args:
        spatial_size: of the images, voxels; multiples of 2^levels.
        in_channels, base_channels, levels: see `common.networks.blocks.TweeningEncoder`.

    Reference:
        Zhao et al., "Unsupervised 3D End-to-End Medical Image Registration With Volume Tweening Network", JBHI 2020,
        https://doi.org/10.1109/JBHI.2019.2951024 -- section III.
    """

    def __init__(
        self, spatial_size: Sequence[int], in_channels: int = 2, base_channels: int = 16, levels: int = 6
    ) -> None:
        super().__init__()
        dims = len(spatial_size)
        self.encoder = TweeningEncoder(dims, in_channels, base_channels, levels)
        whole = tuple(size // 2**levels for size in spatial_size)
        width = self.encoder.widths[-1]
        self.linear = Conv[Conv.CONV, dims](width, dims * dims, whole, bias=False)
        self.shift = Conv[Conv.CONV, dims](width, dims, whole, bias=False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Predict.

        Args:
            image: `(B, in_channels, *spatial_size)`.

        Returns:
            The matrix A = I + W, `(B, d, d)`, and the displacement, `(B, d, *spatial_size)`, voxels.
        """
        dims = image.ndim - 2
        coarsest = self.encoder(image)[-1]
        change = self.linear(coarsest).float().reshape(-1, dims, dims)
        matrix = change + torch.eye(dims, dtype=change.dtype, device=change.device)
        moved = torch.cat([matrix, self.shift(coarsest).float().reshape(-1, dims, 1)], dim=2)
        last = torch.eye(dims + 1, dtype=change.dtype, device=change.device)[None, -1:].expand(len(moved), -1, -1)
        return matrix, affine_displacement(torch.cat([moved, last], dim=1), image.shape[2:])
