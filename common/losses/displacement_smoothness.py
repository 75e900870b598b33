"""How unevenly a field displaces neighbors.

MONAI's `DiffusionLoss` indexes with lists, which PyTorch is giving up, and its central differences are blind to a field
that alternates from voxel to voxel.
"""

import torch
from torch import Tensor, nn


class DisplacementSmoothness(nn.Module):
    r"""Mean squared difference of the displacements of neighbors.

    .. math:: R(u) = \frac{1}{d} \sum_a \frac{1}{|\Omega|} \sum_x |u(x + e_a) - u(x)|^2

    Reference:
        Balakrishnan et al., "VoxelMorph: A Learning Framework for Deformable Medical Image Registration", TMI 2019,
        https://doi.org/10.1109/TMI.2019.2897538 -- equation (8), averaged over the axes.
    """

    def forward(self, ddf: Tensor) -> Tensor:
        """Average.

        Args:
            ddf: displacement, `(B, d, *spatial)`, voxels.

        Returns:
            Scalar, without unit.
        """
        axes = range(2, ddf.ndim)
        return torch.stack([ddf.diff(dim=axis).square().sum(dim=1).mean() for axis in axes]).mean()
