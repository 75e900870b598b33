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
        """Put its features behind the C channels of each image: `(B, C + L, *spatial)`."""
        features = [fixed[:, :0] if each is None else each for each in (self.fixed_features, self.moving_features)]
        return torch.cat([fixed, features[0]], 1), torch.cat([moving, features[1]], 1)


UNGUIDED = Guidance()


def coarsen_features(features: Tensor, stride: int, centered: bool) -> Tensor:
    """Bring features of the grid of an image to that of its description.

    Args:
        features: `(B, L, *spatial)`, sides that the stride divides; L may be 0.
        stride: side of a voxel of the description, voxels of the image.
        centered: where its voxels lie, see `resample_lattice`.

    Returns:
        `(B, L, *spatial / stride)`.
    """
    if centered and features.shape[1]:
        pool = F.avg_pool3d if features.ndim == 5 else F.avg_pool2d
        return pool(features, stride)
    for axis in range(2, features.ndim):
        features = features.unfold(axis, 1, stride).squeeze(-1)
    return features
