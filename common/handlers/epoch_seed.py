"""Randomness that depends on the seed and the epoch alone.

MONAI's `set_determinism` seeds once: what an epoch draws then depends on all epochs before it in the same process.
"""

from typing import Any

import numpy as np
from ignite.engine import Events
from ignite.utils import manual_seed
from monai.data.utils import set_rnd
from monai.engines import SupervisedTrainer

from common.io import InputError


class EpochSeed:
    """Begins each epoch with random numbers of its own, so that it is the same in a resumed run.

    Seeds torch, numpy, random and the random transforms of MONAI, calls `set_epoch(epoch)` of the data set and of the
    sampler where they have it, and lets the data loader begin anew. Each of several processes draws its own numbers.

    Args:
        seed: of the run.

    When the training starts:
        InputError: if the workers of the data loader are persistent.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = int(seed)

    def attach(self, engine: SupervisedTrainer) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_STARTED, self.seed_epoch)

    def start(self, engine: SupervisedTrainer) -> None:
        """Check the data loader."""
        if getattr(engine.data_loader, "persistent_workers", False):  # they would never hear of the epoch
            raise InputError("EpochSeed() expects a data loader without persistent_workers, got one with them.")
        if not engine.has_event_handler(_begin_anew, Events.EPOCH_STARTED):
            engine.add_event_handler(Events.EPOCH_STARTED, _begin_anew)  # only now, to be the last one there

    def seed_epoch(self, engine: SupervisedTrainer) -> None:
        """Seed everything for the epoch that starts."""
        epoch = engine.state.epoch
        seed = int(np.random.SeedSequence([self.seed, epoch, engine.state.rank]).generate_state(1)[0])
        manual_seed(seed)
        loader = engine.data_loader
        set_rnd(getattr(loader, "dataset", None), seed)
        for part in (getattr(loader, "dataset", None), getattr(loader, "sampler", None)):
            _set_epoch(part, epoch)


def _set_epoch(part: Any, epoch: int) -> None:
    if hasattr(part, "set_epoch"):
        part.set_epoch(epoch)


def _begin_anew(engine: SupervisedTrainer) -> None:
    """Drop what an epoch shorter than the data left over; workers are started with what the handlers before set."""
    engine.set_data(engine.data_loader)
