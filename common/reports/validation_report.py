"""A picture of one validation pair at every validation.

MONAI's `TensorBoardImageHandler` shows slices of what goes in and comes out, not whether they agree.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from monai.data import MetaTensor
from monai.utils import CommonKeys
from numpy.typing import NDArray
from torch import Tensor

from common.handlers import VALIDATION_PICTURE
from common.io import grid_of
from common.spatial import displacement_to_world, warp

from .figure import registration_report
from .report import canonical_orientation, field_to_canonical, to_canonical


class ValidationReport:
    """Write ``validation_epoch=N.png``, a registration report of the first pair, whenever an evaluator has run.

    Of several processes the first writes.

    Args:
        output_dir: folder of the pictures.
        spacing: voxel size of the pairs, mm.
        affine: RAS affine of the first one's grid, `(4, 4)`, whose directions the pictures follow; by default its axes
            run to the right, to the front and to the head.
    """

    def __init__(self, output_dir: str | Path, spacing: Sequence[float], affine: Tensor | None = None) -> None:
        self.output_dir = Path(output_dir)
        self.spacing = tuple(spacing)
        self.affine = torch.eye(4, dtype=torch.float64) if affine is None else torch.as_tensor(affine).double()

    def attach(self, engine: Engine) -> None:
        """Register the event of an evaluator."""
        if idist.get_rank():
            return
        engine.add_event_handler(Events.ITERATION_COMPLETED(once=1), self.draw)

    def draw(self, engine: Engine) -> None:
        """Draw the first pair of the batch.

        Raises:
            OSError: if the picture cannot be written.
        """
        output: Any = engine.state.output
        batch, ddf = output[CommonKeys.LABEL], output[CommonKeys.PRED][:1]
        moving = batch["moving_image"][:1]
        labels = {}
        if "fixed_label" in batch and "moving_label" in batch:
            before = batch["moving_label"][:1]
            maps = {"fixed": batch["fixed_label"][:1], "before": before, "warped": warp(before, ddf, mode="nearest")}
            labels = {name: self._canonical(label) for name, label in maps.items()}
        self.output_dir.mkdir(parents=True, exist_ok=True)
        placed = self._placed(moving)
        displacement = displacement_to_world(ddf[:1].cpu(), grid_of(placed).affine)
        registration_report(
            self.output_dir / VALIDATION_PICTURE.format(engine.state.epoch),
            self._canonical(batch["fixed_image"][:1]),
            self._canonical(moving),
            self._canonical(warp(moving, ddf)),
            field_to_canonical(self._placed(displacement)),
            [self.spacing[axis] for axis in canonical_orientation(placed)[1]],
            labels,
            (f"Validation, epoch {engine.state.epoch}", str(batch.get("pair", [""])[0])),
        )

    def _placed(self, image: Tensor) -> MetaTensor:
        return MetaTensor(image[0].cpu(), affine=self.affine)

    def _canonical(self, image: Tensor) -> NDArray:
        return to_canonical(self._placed(image))
