"""A picture of one validation pair at every validation.

MONAI's `TensorBoardImageHandler` shows slices of what goes in and comes out, not whether they agree.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine, Events
from monai.utils import CommonKeys
from numpy.typing import NDArray
from torch import Tensor

from common.spatial import warp

from .figure import registration_report


class ValidationReport:
    """Write ``validation_epoch=N.png``, a registration report of the first pair, whenever an evaluator has run.

    Of several processes the first writes.

    Args:
        output_dir: folder of the pictures.
        spacing: voxel size of the pairs, mm.
    """

    def __init__(self, output_dir: str | Path, spacing: Sequence[float]) -> None:
        self.output_dir = Path(output_dir)
        self.spacing = tuple(spacing)

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
            labels = {name: _array(label) for name, label in maps.items()}
        self.output_dir.mkdir(parents=True, exist_ok=True)
        registration_report(
            self.output_dir / f"validation_epoch={engine.state.epoch}.png",
            _array(batch["fixed_image"][:1]),
            _array(moving),
            _array(warp(moving, ddf)),
            ddf[0].cpu().numpy(),
            self.spacing,
            labels,
            (f"Validation, epoch {engine.state.epoch}", str(batch.get("pair", [""])[0])),
        )


def _array(tensor: Tensor) -> NDArray:
    array: NDArray = tensor[0, 0].cpu().numpy()
    return array
