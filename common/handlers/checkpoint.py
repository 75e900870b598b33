"""Checkpoints from which training goes on as if it had never stopped, and the best weights.

MONAI's `CheckpointSaver` overwrites in place, deletes the old file before it writes the new one, and forgets the best
metric when training is resumed, so that the first validation afterwards replaces a better model.
"""

import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ignite.engine import Events
from ignite.handlers import Checkpoint
from monai.engines import Evaluator, SupervisedTrainer

from common.io import InputError, load_weights, unwrap

from ._checkpoint_files import checkpoints, load_newest, save

logger = logging.getLogger("common")


def check_no_checkpoints(folder: str | Path) -> None:
    """Make sure that a run which is not resumed overwrites none.

    Raises:
        InputError: if the folder holds checkpoints.
    """
    if checkpoints(Path(folder)):
        raise InputError(f"{folder} holds checkpoints of an earlier run: use --resume true or another --ckpt_dir.")


class TrainingCheckpoint:
    """Writes ``checkpoint_epoch=N.pt`` and the best weights, and resumes from the newest checkpoint.

    Its place among the handlers does not matter: it saves after everything else that happens at the end of an epoch.
    Each file is whole or absent. Of several processes the first writes, and all of them read.

    Args:
        save_dir: folder of the checkpoints and of the weights.
        objects: what has a state: `network`, `optimizer` and further ones, such as the schedule of the learning rate.
        validator: its key metric, compared as its `metric_cmp_fn` says, decides which weights are the best; ties keep
            the older ones. Without one the latest are written with each checkpoint.
        weights: file name of the best weights, a plain `state_dict` of the network.
        keep: number of checkpoints to keep.
        interval: epochs from one checkpoint to the next; the last epoch always has one.
        resume: go on from the newest whole checkpoint in the folder, or start where there is none; a word of the
            command line, "true" or "false", will do.
        initial_weights: weights to start from, unless the run is resumed.

    Raises:
        InputError: if an argument cannot be used.

    When the training starts:
        InputError: if the folder holds checkpoints and `resume` is false, or if a checkpoint or the initial weights do
            not fit.
        FileNotFoundError: if there are no such initial weights.
    """

    def __init__(
        self,
        save_dir: str | Path,
        objects: Mapping[str, Any],
        validator: Evaluator | None = None,
        weights: str = "model.pt",
        keep: int = 2,
        interval: int = 1,
        resume: bool | str = False,
        initial_weights: str | Path | None = None,
    ) -> None:
        if "network" not in objects:
            raise ValueError(f"TrainingCheckpoint() expects 'objects' with a network, got {', '.join(objects)}.")
        if validator is not None and validator.state.key_metric_name is None:
            raise ValueError("TrainingCheckpoint() expects 'validator' with a key metric, got none.")
        for name, value in (("keep", keep), ("interval", interval)):
            if value < 1:
                raise ValueError(f"TrainingCheckpoint() expects '{name}' of 1 or more, got {value}.")
        if str(resume).lower() not in ("true", "false"):
            raise InputError(f"TrainingCheckpoint() expects 'resume' to be true or false, got {resume}.")
        self.folder = Path(save_dir)
        self.objects = dict(objects)
        self.validator = validator
        self.weights = weights
        self.keep = keep
        self.interval = interval
        self.resume = str(resume).lower() == "true"
        self.initial_weights = initial_weights

    def attach(self, engine: SupervisedTrainer) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.STARTED, self.start)

    def start(self, engine: SupervisedTrainer) -> None:
        """Load what there is to load."""
        if engine.state.epoch:  # this very trainer runs on, for more epochs
            return
        newest = load_newest(self.folder) if self.resume else None
        if newest:
            self._restore(engine, *newest)
        else:
            if self.resume:
                logger.info("There is no checkpoint in %s: training starts from the beginning.", self.folder)
            else:
                check_no_checkpoints(self.folder)
            if self.initial_weights:
                load_weights(self.objects["network"], self.initial_weights)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.save)  # only now, to be the last one there

    def save(self, engine: SupervisedTrainer) -> None:
        """Write the weights if they are the best, and a checkpoint if it is time.

        Raises:
            OSError: if they cannot be written; the older ones stay.
        """
        epoch = engine.state.epoch
        due = epoch % self.interval == 0 or epoch >= engine.state.max_epochs or engine.should_terminate
        best = self._improved(epoch) if self.validator else due
        if engine.state.rank:
            return
        if best:  # first: a checkpoint must not know of a best metric whose weights were lost
            save(self.folder / self.weights, unwrap(self.objects["network"]).state_dict())
        if due:
            save(self.folder / f"checkpoint_epoch={epoch}.pt", self._state(engine))
            # A damaged file of a later epoch does not count: it would push out those that can be used.
            whole = [path for number, path in checkpoints(self.folder).items() if number <= epoch]
            for path in whole[: -self.keep]:
                path.unlink()

    def _improved(self, epoch: int) -> bool:
        """Whether MONAI took the validation of this epoch, if there was one, for the best."""
        state = self.validator.state  # type: ignore[union-attr]
        if math.isnan(state.best_metric):  # nothing is ever greater than that
            state.best_metric_epoch = -1
        return bool(state.best_metric_epoch == epoch)

    def _state(self, engine: SupervisedTrainer) -> dict[str, Any]:
        state = {
            "objects": {name: unwrap(item).state_dict() for name, item in self.objects.items()},
            "trainer": {name: getattr(engine.state, name) for name in ("epoch", "iteration", "epoch_length")},
        }
        if self.validator:
            best = self.validator.state
            state["validator"] = {
                "best_metric": float(best.best_metric),
                "best_metric_epoch": best.best_metric_epoch,
            }
        if engine.scaler is not None:
            state["scaler"] = engine.scaler.state_dict()
        return state

    def _restore(self, engine: SupervisedTrainer, path: Path, state: dict[str, Any]) -> None:
        trainer = state["trainer"]
        if engine.state.epoch_length not in (None, trainer["epoch_length"]):
            raise InputError(
                f"{path} was written with {trainer['epoch_length']} iterations per epoch, now there are "
                f"{engine.state.epoch_length}: did the data or the batch size change? Use another --ckpt_dir."
            )
        for name, item in self.objects.items():
            try:
                Checkpoint.load_objects({name: item}, {name: state["objects"][name]})
            except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
                raise InputError(
                    f"{path} does not fit the {name} of this run: did its settings change? Use another --ckpt_dir."
                ) from error
        vars(engine.state).update(trainer)
        if self.validator:
            vars(self.validator.state).update(state.get("validator", {}))
        if engine.scaler is not None and state.get("scaler"):
            engine.scaler.load_state_dict(state["scaler"])
        done = "is complete" if trainer["epoch"] >= engine.state.max_epochs else "goes on"
        logger.info("Training %s after epoch %d (%s).", done, trainer["epoch"], path)
