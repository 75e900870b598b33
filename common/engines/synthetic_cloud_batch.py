"""Pairs of clouds whose displacement is known, made of single ones on the training device."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from common.networks.nets import join_clouds
from common.spatial import RandomSpline

from .batch import Batch
from .point_cloud_batch import PointCloudBatch

VOXELS = 64  # of the grid from -1 to 1 along every axis on which a spline counts


class SyntheticCloudBatch(PointCloudBatch):
    """Moves clouds by known maps: the `prepare_batch` of a training without labels.

    A pair is made of its moving cloud alone, which has more points: as many of them as the fixed cloud had stay where
    they are, and all of them are moved. Beforehand it is augmented as `PointCloudBatch` does it.

    Args:
        motion: a `PointCloudBatch` for rigid maps, or with a scale for similarities; or a distribution of smooth fields
            over the cube from -1 to 1.
        rotation_degrees, translation, scale: of the augmentation.

    Reference:
        Bigalke et al., MICCAI 2023, https://doi.org/10.1007/978-3-031-43999-5_64 -- table 3, "rigid deform." and "rnd
        field", whose numbers it does not give.
    """

    def __init__(
        self,
        motion: PointCloudBatch | RandomSpline,
        rotation_degrees: float = 0.0,
        translation: float = 0.0,
        scale: float = 0.0,
    ) -> None:
        super().__init__(rotation_degrees, translation, scale)
        self.motion = motion

    def __call__(
        self, batch: Mapping[str, Any], device: torch.device | str, non_blocking: bool = False, **_: Any
    ) -> tuple[Tensor, Batch]:
        """Make pairs.

        Args:
            batch: `image`, `(B, N + M, 4)`, see `common.networks.nets.PointRegistrationNet`.
            device: where to.
            non_blocking: see `torch.Tensor.to`.

        Returns:
            The network's `image`, and the batch, with `pseudo_label`, `(B, N, 3)`, and `unit`.
        """
        image, made = super().__call__(batch, device, non_blocking)
        count = int((image[0, :, 3] < 0.5).sum())
        cloud = image[:, count:, :3]
        moved = self._move(cloud)
        made["image"] = join_clouds(cloud[:, :count], moved)
        made["pseudo_label"] = (moved - cloud)[:, :count]
        return made["image"], made

    def _move(self, cloud: Tensor) -> Tensor:
        if isinstance(self.motion, PointCloudBatch):
            sides = torch.ones_like(cloud[..., :1])
            return self.motion({"image": torch.cat([cloud, sides], dim=2)}, cloud.device)[0][..., :3]
        half = VOXELS / 2
        field = self.motion.draw((VOXELS,) * 3, len(cloud), device=cloud.device)
        return cloud + field.at((cloud.mT + 1) * half - 0.5).mT / half
