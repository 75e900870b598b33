"""All that a training and its validation do beside that, in its right order, said once.

MONAI's bundles list these handlers in every configuration.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from monai.engines import Evaluator, SupervisedTrainer
from monai.handlers import LrScheduleHandler, ValidationHandler
from torch import Tensor

from common.handlers import EpochSeed, MetricsCsv, Progress, StopOnNonFinite, TensorBoard, TrainingCheckpoint
from common.reports import ValidationReport


class TrainingHandlers:
    """Attaches to a trainer what watches it, keeps it and measures it.

    That is checkpoints, the seed of an epoch, a stop at what is no number, the schedule of the learning rate,
    validation, TensorBoard, ``metrics.csv`` and the progress. It is one handler in the list of a config, a list because
    MONAI reads and extends it; further ones come behind it.

    Args:
        validator: validates, and decides by its key metric which weights are the best.
        output_dir: folder of ``metrics.csv`` and of TensorBoard's log.
        ckpt_dir: folder of the checkpoints; None for none.
        val_interval: epochs from one validation to the next.
        validate_first: validate before the training, too.
        lr_scheduler: of the trainer's optimizer.
        seed: of the run.
        resume, initial_weights: see `common.handlers.TrainingCheckpoint`.
    """

    def __init__(
        self,
        validator: Evaluator,
        output_dir: str | Path,
        ckpt_dir: str | Path | None,
        val_interval: int = 1,
        validate_first: bool = False,
        lr_scheduler: Any = None,
        seed: int = 0,
        resume: bool | str = False,
        initial_weights: str | Path | None = None,
    ) -> None:
        self.validator = validator
        self.output_dir = Path(output_dir)
        self.ckpt_dir = ckpt_dir
        self.val_interval = val_interval
        self.validate_first = validate_first
        self.lr_scheduler = lr_scheduler
        self.seed = seed
        self.resume = resume
        self.initial_weights = initial_weights

    def attach(self, engine: SupervisedTrainer) -> None:
        """Register with the trainer."""
        for handler in self._handlers(engine):
            handler.attach(engine)

    def _handlers(self, engine: SupervisedTrainer) -> Iterator[Any]:
        if self.ckpt_dir is not None:
            yield self._checkpoint(engine, self.ckpt_dir)
        yield EpochSeed(self.seed)
        yield StopOnNonFinite()  # before anything is validated or saved
        if self.lr_scheduler is not None:
            yield LrScheduleHandler(self.lr_scheduler, print_lr=False)
        yield ValidationHandler(self.val_interval, self.validator, exec_at_start=self.validate_first)
        yield TensorBoard(self.output_dir)
        yield MetricsCsv(self.output_dir / "metrics.csv", self.validator)  # with what was validated
        yield Progress(self.validator)

    def _checkpoint(self, engine: SupervisedTrainer, folder: str | Path) -> TrainingCheckpoint:
        objects = {"network": engine.network, "optimizer": engine.optimizer}
        if self.lr_scheduler is not None:
            objects["lr_scheduler"] = self.lr_scheduler
        return TrainingCheckpoint(
            folder, objects, self.validator, resume=self.resume, initial_weights=self.initial_weights
        )


class ValidationHandlers:
    """Attaches to a validator: TensorBoard and, of pairs, a picture.

    Args:
        output_dir: folder of both.
        spacing: voxel size of the pairs, mm; None where no pairs are validated.
        affine: see `common.reports.ValidationReport`.
    """

    def __init__(
        self, output_dir: str | Path, spacing: Sequence[float] | None = None, affine: Tensor | None = None
    ) -> None:
        self.output_dir = output_dir
        self.spacing = spacing
        self.affine = affine

    def attach(self, engine: Evaluator) -> None:
        """Register with the evaluator."""
        TensorBoard(self.output_dir).attach(engine)
        if self.spacing is not None:
            ValidationReport(self.output_dir, self.spacing, self.affine).attach(engine)
