"""What is told of a training: the terms of the loss, of an iteration and on average over an epoch, and curricula."""

from collections import Counter
from typing import Any

import torch
from ignite.engine import Events
from monai.engines import Evaluator, SupervisedTrainer
from monai.engines.utils import IterationEvents
from monai.utils import CommonKeys, is_scalar


def loss_terms(engine: SupervisedTrainer) -> dict[str, float]:
    """The loss and, where the loss function keeps them, its `terms`; from `LOSS_COMPLETED` to the next batch."""
    terms = getattr(engine.loss_function, "terms", {})
    if "loss" in terms:
        return terms
    output: Any = engine.state.output
    output = output[0] if isinstance(output, list) else output  # one a case, at the end of an iteration
    return {"loss": float(torch.as_tensor(output[CommonKeys.LOSS]).detach()), **terms}


def curricula(engine: SupervisedTrainer) -> dict[str, float]:
    """The values of the curricula at this iteration, by name, see `Curriculum`."""
    return getattr(engine.state, "curricula", {})


def validated(engine: SupervisedTrainer, validator: Evaluator | None) -> dict[str, float]:
    """The metrics of the validator, prefixed with ``val_``; empty if it did not run in this epoch."""
    if validator is None or validator.state.epoch != engine.state.epoch:
        return {}
    return {f"val_{name}": float(value) for name, value in validator.state.metrics.items() if is_scalar(value)}


class EpochMeans:
    """Averages each term of the loss over the iterations of the epoch in which it was computed."""

    def __init__(self) -> None:
        self._sums: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._curricula: dict[str, float] = {}
        self.learning_rate = 0.0

    def attach(self, engine: SupervisedTrainer) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin)
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self._add)

    def means(self) -> dict[str, float]:
        """The averages so far, and the latest values of curricula."""
        return {name: total / self._counts[name] for name, total in self._sums.items()} | self._curricula

    def _begin(self) -> None:
        self._sums.clear()
        self._counts.clear()

    def _add(self, engine: SupervisedTrainer) -> None:
        for name, value in loss_terms(engine).items():
            self._sums[name] += value  # type: ignore[assignment]
            self._counts[name] += 1
        self._curricula = curricula(engine)
        self.learning_rate = engine.optimizer.param_groups[0]["lr"]  # at the end of the epoch it is the next one's
