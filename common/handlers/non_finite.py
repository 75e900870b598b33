"""Stops training before a loss that is no number spoils the weights.

Ignite's `TerminateOnNan` looks after the weights have been updated, does not say which term it was, and ends the run
like a complete one.
"""

import math

import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from monai.engines.utils import IterationEvents
from torch import Tensor

from common.io import InputError

from ._loss_terms import loss_terms


class StopOnNonFinite:
    """Raises where the loss, or at the end of an epoch a weight, is NaN or infinite.

    The loss is looked at before the gradients are computed, and the weights before they are validated or saved if this
    handler comes before those: the newest checkpoint is always good.

    During the training:
        ValueError: naming the epoch, the iteration and the terms.
    """

    def attach(self, engine: SupervisedTrainer) -> None:
        """Register with the trainer."""
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self.check_loss)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.check_weights)

    def check_loss(self, engine: SupervisedTrainer) -> None:
        """Check the terms of the loss."""
        bad = {name: value for name, value in loss_terms(engine).items() if not math.isfinite(value)}
        if bad:
            raise InputError(_message(engine, ", ".join(f"{name} is {value}" for name, value in bad.items())))

    def check_weights(self, engine: SupervisedTrainer) -> None:
        """Check the weights and buffers of the network."""
        state = engine.network.state_dict().items()
        bad = [name for name, value in state if isinstance(value, Tensor) and not torch.isfinite(value).all()]
        if bad:
            raise InputError(_message(engine, f"{len(bad)} weights are not finite, {bad[0]} among them"))


def _message(engine: SupervisedTrainer, what: str) -> str:
    return (
        f"Training stopped in epoch {engine.state.epoch}, iteration {engine.state.iteration}: {what}. "
        "The last checkpoint is kept. Likely causes: a learning rate or a weight of the loss that is too high, "
        "intensities that are not scaled, NaN in a scan, or mixed precision."
    )
