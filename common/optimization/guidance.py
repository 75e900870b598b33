"""What steers a registration besides its images: features of labels on both grids, and points that correspond.

MONAI's networks register images alone.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .guiding_points import GuidingPoints


class Guidance(NamedTuple):
    """Features beside those of the images, and points.

    Attributes:
        fixed_features: `(B, L, *spatial)`, in the unit of the features of the images; the guidance has none with None.
        moving_features: same shape.
        points: of a batch of one pair.
    """

    fixed_features: Tensor | None = None
    moving_features: Tensor | None = None
    points: GuidingPoints | None = None

    def beside(self, fixed: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
        """Put the features behind the channels of the two images, `(B, C, *spatial)`."""
        if self.fixed_features is None or self.moving_features is None:
            return fixed, moving
        return torch.cat([fixed, self.fixed_features], 1), torch.cat([moving, self.moving_features], 1)


UNGUIDED = Guidance()


def beside_described(described: Tensor, features: Tensor, stride: int, centered: bool) -> Tensor:
    """Put features of the grid of an image behind the description of this image.

    Args:
        described: `(B, C, *spatial / stride)`.
        features: `(B, L, *spatial)`, sides that the stride divides; L may be 0.
        stride: side of a voxel of the description, voxels of the image.
        centered: where its voxels lie, see `resample_lattice`.

    Returns:
        `(B, C + L, *spatial / stride)`.
    """
    if not features.shape[1]:
        return described
    if centered:
        pool = F.avg_pool3d if features.ndim == 5 else F.avg_pool2d
        return torch.cat([described, pool(features, stride)], 1)
    for axis in range(2, features.ndim):
        features = features.unfold(axis, 1, stride).squeeze(-1)
    return torch.cat([described, features], 1)
