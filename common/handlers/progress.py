"""How far the training is: a bar on a terminal, lines in a log file.

Ignite's `ProgressBar` begins anew with each epoch, so that it never says how long the run will take, and a log file
gets nothing of it.
"""

import logging
import sys

from ignite.engine import Events
from monai.engines import Evaluator, SupervisedTrainer
from tqdm import tqdm

from ._loss_terms import EpochMeans, validated

logger = logging.getLogger("common")


class Progress:
    """Shows a bar over the whole run on stderr; where that is no terminal, logs one line per epoch ("common").

    Args:
        validator: its metrics are shown, too; its `ValidationHandler` comes before this handler.
    """

    def __init__(self, validator: Evaluator | None = None) -> None:
        self.validator = validator
        self._means = EpochMeans()
        self._bar: tqdm | None = None
        self._validated: dict[str, float] = {}

    def attach(self, engine: SupervisedTrainer) -> None:
        """Register with the trainer."""
        self._means.attach(engine)
        engine.add_event_handler(Events.EPOCH_STARTED, self.open)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.advance)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.complete_epoch)
        engine.add_event_handler(Events.COMPLETED, self.close)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.fail)

    def open(self, engine: SupervisedTrainer) -> None:
        """Begin, or go on, where the trainer is."""
        if self._bar is None and not engine.state.rank and sys.stderr.isatty():
            total = engine.state.max_epochs * engine.state.epoch_length if engine.state.epoch_length else None
            self._bar = tqdm(total=total, initial=engine.state.iteration, unit="it", dynamic_ncols=True)

    def advance(self, engine: SupervisedTrainer) -> None:
        """Show an iteration."""
        if self._bar is not None:
            self._bar.set_description(f"epoch {engine.state.epoch}/{engine.state.max_epochs}", refresh=False)
            terms = {**self._means.means(), **self._validated}
            self._bar.set_postfix({name: f"{value:.4g}" for name, value in terms.items()}, refresh=False)
            self._bar.update()

    def complete_epoch(self, engine: SupervisedTrainer) -> None:
        """Log an epoch."""
        self._validated = validated(engine, self.validator) or self._validated
        if self._bar is None and not engine.state.rank:
            numbers = {**self._means.means(), **validated(engine, self.validator)}
            rate = engine.state.epoch_length / max(engine.state.times[Events.EPOCH_COMPLETED.name], 1e-9)
            text = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
            logger.info("epoch %d/%d: %s, %.3g it/s", engine.state.epoch, engine.state.max_epochs, text, rate)

    def close(self) -> None:
        """End the line of the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def fail(self, error: BaseException) -> None:
        """End the line, so that the message has its own."""
        self.close()
        raise error
