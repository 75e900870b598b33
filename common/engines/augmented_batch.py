"""Batches of pairs whose moving scan is deformed on the training device.

MONAI's `prepare_batch` moves a batch to the device; random transforms run before it, on the CPU, scan by scan.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from common.spatial import RandomSpline, compose_splines, sample

from .batch import Batch, prepare_pair_batch

MODES = {"moving_image": "bilinear", "moving_label": "nearest"}


class AugmentedPairBatch:
    """Deforms the moving scans of a batch, and their label maps, on the device: the `prepare_batch` of MONAI's trainer.

    Fields are drawn from torch's own generator, which `common.handlers.EpochSeed` seeds: a resumed run draws what an
    uninterrupted one does. Beyond its border a scan goes on as there.

    Args:
        splines: what is drawn; the first acts first on the coordinates, see `common.spatial.compose_splines`.
    """

    def __init__(self, splines: Sequence[RandomSpline]) -> None:
        self.splines = splines

    def __call__(
        self, batch: Mapping[str, Any], device: torch.device | str, non_blocking: bool = False, **_: Any
    ) -> tuple[Tensor, Batch]:
        """Deform.

        Args:
            batch: see `prepare_pair_batch`; `moving_label` is deformed if it is there.
            device: where to.
            non_blocking: see `torch.Tensor.to`.

        Returns:
            The network's `image`, fixed channels first, and the batch.
        """
        image, moved = prepare_pair_batch(batch, device, non_blocking)
        if not self.splines:
            return image, moved
        with torch.no_grad():
            fields = [spline.draw(image.shape[2:], len(image), device=device) for spline in self.splines]
            places = compose_splines(fields, image.shape[2:])
            moved |= {key: sample(moved[key], places, mode) for key, mode in MODES.items() if key in moved}
        return torch.cat([moved["fixed_image"], moved["moving_image"]], dim=1), moved
