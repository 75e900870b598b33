"""A table of the training, one row per epoch, that a resumed run continues.

MONAI's `MetricsSaver` writes one evaluation, not the course of a training.
"""

from pathlib import Path
from typing import Any

from ignite.engine import Events
from monai.engines import Evaluator, SupervisedTrainer
from monai.utils import is_scalar

from common.io import InputError, read_table, write_table

from ._loss_terms import EpochMeans, validated


class MetricsCsv:
    """Writes epoch, iteration, mean of each term of the loss, learning rate, seconds and metrics of the validation.

    What handlers have put among the metrics of the trainer, such as the stage of a training, comes along.

    The seconds are those of the training, without the validation. Rows of epochs that are trained again are replaced.
    Of several processes the first writes, and averages over its own share.

    Args:
        path: of the table; it is whole at any time.
        validator: adds its metrics, as ``val_...``, to the epochs with validation; its `ValidationHandler` comes before
            this handler.

    During the training:
        ValueError: if there is another file of that name.
        OSError: if it cannot be written.
    """

    def __init__(self, path: str | Path, validator: Evaluator | None = None) -> None:
        self.path = Path(path)
        self.validator = validator
        self._means = EpochMeans()

    def attach(self, engine: SupervisedTrainer) -> None:
        """Register with the trainer."""
        self._means.attach(engine)
        engine.add_event_handler(Events.EPOCH_STARTED, self.check)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.write)

    def check(self, engine: SupervisedTrainer) -> None:
        """Read what is there before the epoch is trained, not after it."""
        self._rows_before(engine.state.epoch)

    def write(self, engine: SupervisedTrainer) -> None:
        """Write the row of the epoch."""
        if engine.state.rank:
            return
        numbers = {
            **self._means.means(),
            "learning_rate": self._means.learning_rate,
            "seconds": engine.state.times[Events.EPOCH_COMPLETED.name],
            **{name: value for name, value in engine.state.metrics.items() if is_scalar(value)},
            **validated(engine, self.validator),
        }
        row = {"epoch": engine.state.epoch, "iteration": engine.state.iteration}
        rows = [*self._rows_before(engine.state.epoch), row | {name: f"{n:.6g}" for name, n in numbers.items()}]
        write_table(self.path, rows)

    def _rows_before(self, epoch: int) -> list[dict[str, Any]]:
        if not self.path.is_file() or epoch == 1:
            return []
        try:
            names, table = read_table(self.path)
            rows = [row for row in table if int(row["epoch"]) < epoch]
            if "epoch" not in (names or ["epoch"]) or any(None in (*row, *row.values()) for row in rows):
                raise ValueError("another table, or rows of different lengths")
            return rows
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.path} is not a table of epochs: move it away or name another.") from error
