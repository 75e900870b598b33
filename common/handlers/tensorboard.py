"""What TensorBoard is told of a run, under the names of ``metrics.csv``, and the pictures of its validations.

MONAI's `TensorBoardStatsHandler` writes it; it knows neither the terms nor that one process of several is enough.
"""

from pathlib import Path
from typing import Any

from ignite.engine import Engine
from matplotlib.image import imread
from monai.engines import SupervisedTrainer, Workflow
from monai.handlers import TensorBoardStatsHandler
from monai.utils import is_scalar

from ._loss_terms import curricula, loss_terms

VALIDATION_PICTURE = "validation_epoch={}.png"
SMALLER = 2  # times in both directions is what the log gets of a picture


class TensorBoard:
    """Writes to a folder what the engine it is attached to, a trainer or an evaluator, has to tell.

    That is the terms of the loss, the curricula and the learning rate at every iteration; and the metrics of every
    validation, ``val_...``, with the picture of the epoch, `VALIDATION_PICTURE`, that lies in the folder when it has
    ended. Of several processes the first writes.

    Args:
        log_dir: the folder; made if it is not there.
    """

    def __init__(self, log_dir: str | Path) -> None:
        self.log_dir = str(log_dir)

    def attach(self, engine: Workflow) -> None:
        """Register with a trainer or an evaluator."""
        if engine.state.rank:
            return
        if isinstance(engine, SupervisedTrainer):
            handler = TensorBoardStatsHandler(
                log_dir=self.log_dir,
                epoch_log=False,
                output_transform=lambda _: (
                    loss_terms(engine) | curricula(engine) | {"learning_rate": engine.optimizer.param_groups[0]["lr"]}
                ),
            )
        else:
            handler = TensorBoardStatsHandler(
                log_dir=self.log_dir, iteration_log=False, epoch_event_writer=self._write_validation
            )
        handler.attach(engine)

    def _write_validation(self, engine: Engine, writer: Any) -> None:
        epoch = engine.state.epoch
        for name, value in engine.state.metrics.items():
            if is_scalar(value):
                writer.add_scalar(f"val_{name}", value, epoch)
        picture = Path(self.log_dir) / VALIDATION_PICTURE.format(epoch)
        if picture.is_file():
            pixels = imread(picture)[::SMALLER, ::SMALLER, :3]
            writer.add_image("validation", pixels, epoch, dataformats="HWC")
        writer.flush()
