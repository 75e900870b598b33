"""Registration by mutual information alone: for scans of two modalities, such as CT and MR.

MONAI has no registration of a pair by optimization.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.optimization import coarsen_features

from .instance_optimization_net import InstanceOptimizationNet

REFINEMENTS = ((4, 80), (2, 60))


class MutualInformationNet(InstanceOptimizationNet):
    """Registers two images by gradient descent on their mutual information, from where they are.

    `InstanceOptimizationNet` without features: what a patch looks like differs too much between modalities, and the
    gray values themselves are compared, not their `detail`. Guides, fields of view and the penalty of bending are as
    there. What lies within about eight voxels is found, not organs that lie elsewhere.

    Args:
        refinements: of each the side of a voxel in voxels of the image, and the steps.
        learning_rate: of their Adam, such voxels; half of it where these are those of the image.
        regularization: their weight of the bending of the field.
        information: their weight of the mutual information, nats.

    Example:
        >>> net = MutualInformationNet([(2, 5)]).eval()
        >>> net(torch.rand(1, 2, 16, 18, 20)).shape
        torch.Size([1, 3, 16, 18, 20])
    """

    def __init__(
        self,
        refinements: Sequence[Sequence[int]] = REFINEMENTS,
        learning_rate: float = 1.0,
        regularization: float = 1800.0,
        information: float = 12.0,
    ) -> None:
        super().__init__(
            _NoFeatures(),
            refinements=refinements,
            learning_rate=learning_rate,
            regularization=regularization,
            information=information,
            knots=1,
            samples=None,
        )

    @staticmethod
    def gray(image: Tensor, stride: int, centered: bool) -> Tensor:
        """The gray values themselves, on a coarser grid."""
        return coarsen_features(image, stride, centered)


class _NoFeatures(nn.Module):
    """A feature that is the same everywhere."""

    centered = True

    def forward(self, image: Tensor, stride: int = 1) -> Tensor:
        pool = F.avg_pool3d if image.ndim == 5 else F.avg_pool2d
        return pool(torch.zeros_like(image), stride)
