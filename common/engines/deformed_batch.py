"""Batches of single scans that become pairs on the training device.

MONAI's `prepare_batch` moves a batch to the device; random transforms run before it, on the CPU, scan by scan.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from common.spatial import RandomSpline, deformed_pair
from common.transforms import PAIR_KEYS

from .batch import Batch, move_batch, prepare_pair_batch

KEPT = ("pair",)  # of a batch of scans, in that of the pairs: their names


class DeformedPairBatch:
    """Deforms a batch of scans on the device: the `prepare_batch` of MONAI's trainer.

    Fields are drawn from torch's own generator, which `common.handlers.EpochSeed` seeds: a resumed run draws what an
    uninterrupted one does.

    Args:
        augmentation, motion, spatial_size, fill: see `common.transforms.RandDeformedPaird`.
        features: what the network sees of an image, `(B, C, *spatial)` to the same, such as
            `common.transforms.GradientMagnitude`; computed after the deformation.
    """

    def __init__(
        self,
        augmentation: Sequence[RandomSpline],
        motion: Sequence[RandomSpline],
        spatial_size: Sequence[int] | None = None,
        features: Callable[[Tensor], Tensor] | None = None,
        fill: float = 0.0,
    ) -> None:
        self.augmentation = augmentation
        self.motion = motion
        self.spatial_size = spatial_size
        self.features = features
        self.fill = fill

    def __call__(
        self, batch: Mapping[str, Any], device: torch.device | str, non_blocking: bool = False, **_: Any
    ) -> tuple[Tensor, Batch]:
        """Make pairs.

        Args:
            batch: `image`, `(B, C, *in)`, and `mask`, `(B, 1, *in)`, if it is there. Its first `seed`, where there is
                one, says which fields are drawn: a validation has the same pairs every time.
            device: where to.
            non_blocking: see `torch.Tensor.to`.

        Returns:
            The network's `image`, fixed channels first, and the batch: `fixed_image`, `moving_image`, `known_ddf`,
            `fixed_mask`, and `pair` where the scans have it.
        """
        moved = move_batch(batch, device, non_blocking)
        scans = moved["image"]
        shape = scans.shape[2:] if self.spatial_size is None else self.spatial_size
        generator = torch.Generator().manual_seed(int(batch["seed"][0])) if "seed" in batch else None
        with torch.no_grad():
            augmentation, motion = (
                [spline.draw(shape, len(scans), generator, device) for spline in splines]
                for splines in (self.augmentation, self.motion)
            )
            pair = deformed_pair(scans, augmentation, motion, shape, moved.get("mask"), self.fill)
            made: Batch = dict(zip(PAIR_KEYS, pair, strict=True)) | {key: moved[key] for key in KEPT if key in moved}
            if self.features is not None:
                made |= {key: self.features(made[key]) for key in PAIR_KEYS[:2]}
        return prepare_pair_batch(made, device, non_blocking)
