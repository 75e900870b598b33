"""How a batch of pairs of clouds reaches the network: both clouds of a pair turned, scaled and moved together."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from .batch import Batch, move_batch


class PointCloudBatch:
    """Augments pairs of clouds: the `prepare_batch` of a training on them, and without augmentation of its validation.

    Maps are drawn from torch's own generator, which `common.handlers.EpochSeed` seeds.

    Args:
        rotation_degrees: most that is turned around each axis.
        translation: most that is moved along each axis, in the frame of the network.
        scale: most by which the scale differs from 1.

    Reference:
        Bigalke et al., MICCAI 2023, https://doi.org/10.1007/978-3-031-43999-5_64 -- section 3.1; ranges of the authors'
        code for these clouds.
    """

    def __init__(self, rotation_degrees: float = 0.0, translation: float = 0.0, scale: float = 0.0) -> None:
        self.rotation_degrees = rotation_degrees
        self.translation = translation
        self.scale = scale

    def __call__(
        self, batch: Mapping[str, Any], device: torch.device | str, non_blocking: bool = False, **_: Any
    ) -> tuple[Tensor, Batch]:
        """Augment.

        Args:
            batch: `image`, `(B, N + M, 4)`, and `pseudo_label`, `(B, N, 3)`, if it is there.
            device: where to.
            non_blocking: see `torch.Tensor.to`.

        Returns:
            The network's `image`, and the batch, with `unit`, the scale of each pair, `(B, 1, 1)`.
        """
        moved = move_batch(batch, device, non_blocking)
        clouds = moved["image"]
        count = len(clouds)
        unit = 1 + self.scale * _between(count, 1, 1).to(clouds)
        turned = _rotations(math.radians(self.rotation_degrees) * _between(count, 3)).to(clouds)
        shift = self.translation * _between(count, 1, 3).to(clouds)
        moved["image"] = torch.cat([unit * clouds[..., :3] @ turned + shift, clouds[..., 3:]], dim=2)
        moved["unit"] = unit
        if "pseudo_label" in moved:
            moved["pseudo_label"] = unit * moved["pseudo_label"] @ turned
        return moved["image"], moved


def _between(*shape: int) -> Tensor:
    """Uniform between -1 and 1."""
    return 2 * torch.rand(*shape) - 1


def _rotations(angles: Tensor) -> Tensor:
    """Rotations around the three axes, one after the other, `(B, 3, 3)`; angles in radians, `(B, 3)`."""
    turned = torch.eye(3).expand(len(angles), 3, 3)
    for axis in range(3):
        first, second = (other for other in range(3) if other != axis)
        one = torch.eye(3).repeat(len(angles), 1, 1)
        cosine, sine = angles[:, axis].cos(), angles[:, axis].sin()
        one[:, first, first] = one[:, second, second] = cosine
        one[:, first, second], one[:, second, first] = -sine, sine
        turned = turned @ one
    return turned
