"""The cycle of a self-training: labels from the network, a training on them, better labels from that.

MONAI has no pseudo labels.
"""

import logging
import time
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Protocol

import ignite.distributed as idist
import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from torch import Tensor, distributed, nn

from common.io import InputError
from common.networks.nets import CoupledConvexNet
from common.optimization import coarsen_displacement

from .schedules import cosine

logger = logging.getLogger("common")
DIGITS = 10  # of the images, settings and weights a label was made from, each


class Labelled(Protocol):
    """Pairs with labels, such as `common.data.PseudoLabelledPairs`."""

    pairs: Any
    labels: Any

    def begin_stage(self, stage: int) -> None:
        """Take the labels of a stage."""


class SelfTrainingCycle:
    r"""Begins each stage of a training: with pseudo labels of all pairs, new draws of pairs, and a fresh learning rate.

    The labels of the first stage come from the network as it begins; then its weights are drawn anew. Those of every
    further stage come from what the stage before has learned. A label is the displacement that the labeler predicts,
    and a pair is the more difficult, the more its instance optimization changed:

    .. math:: \frac{1}{|\Omega|} \sum_x |u(x) - u_0(x)|

    Labels that are there and were made from the same weights, settings and images are not made again; of several
    processes each makes its share. The learning rate is a function of the iteration, so a resumed run needs no more
    than these labels. Comes before `TrainingHandlers`, which draw the pairs. `stage` and, where labels are made,
    `refresh_seconds` are among the metrics of the trainer.

    Args:
        labeler: makes the labels; it shares the features of the network in training.
        dataset: of the training; labels are made where it has a place for them.
        epochs: of a stage.
        learning_rate: in the first iteration of each stage.
        final_learning_rate: towards which it falls along half a cosine in the course of the stage.
        stride: side of a voxel of the labels, voxels of the images.
        margin: voxels of the labels at either end of every axis that do not count for the difficulty.
        fresh: draw the weights anew after the first labels.
        seed: of that.

    Reference:
        Bigalke et al., "Unsupervised 3D Registration through Optimization-Guided Cyclical Self-training", MICCAI 2023,
        https://doi.org/10.1007/978-3-031-43999-5_64 -- section 2.3.
    """

    def __init__(
        self,
        labeler: CoupledConvexNet,
        dataset: Labelled,
        epochs: int,
        learning_rate: float,
        final_learning_rate: float,
        stride: int = 2,
        margin: int = 8,
        fresh: bool = True,
        seed: int = 0,
    ) -> None:
        self.labeler = labeler
        self.dataset = dataset
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.final_learning_rate = final_learning_rate
        self.stride = stride
        self.margin = margin
        self.fresh = fresh
        self.seed = seed

    def attach(self, engine: SupervisedTrainer) -> None:
        """Register with the trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.begin_epoch)
        engine.add_event_handler(Events.ITERATION_STARTED, self.set_learning_rate)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._share_statistics)

    def begin_epoch(self, engine: SupervisedTrainer) -> None:
        """Begin a stage, if this is its first epoch, and take its labels.

        Raises:
            InputError: if labels of a stage that is under way are not there any more, or are not of these images.
        """
        stage, epoch = divmod(engine.state.epoch - 1, self.epochs)
        engine.state.metrics["stage"] = stage + 1
        engine.state.metrics.pop("refresh_seconds", None)
        if epoch == 0 and self.dataset.labels is not None:
            engine.state.metrics["refresh_seconds"] = self.refresh(stage)
        if epoch == 0 and stage == 0 and self.fresh and self.dataset.labels is not None:
            _draw_weights(self.labeler, self.seed + 1)
        self.dataset.begin_stage(stage)
        if epoch and self.dataset.labels is not None:
            self._check_labels(stage)

    def set_learning_rate(self, engine: SupervisedTrainer) -> None:
        """Give the optimizer the learning rate of the iteration."""
        steps = self.epochs * engine.state.epoch_length
        step = (engine.state.iteration - 1) % steps
        rate = cosine(step, start=self.learning_rate, end=self.final_learning_rate, over=steps)
        for group in engine.optimizer.param_groups:
            group["lr"] = rate

    def refresh(self, stage: int) -> float:
        """Make the labels of a stage that are missing, and return the seconds this took."""
        began = time.perf_counter()
        labels, origin = self.dataset.labels, self._settings() + self._weights()
        self.labeler.eval()
        logger.info("Stage %d: making %d pseudo labels.", stage + 1, len(self.dataset.pairs))
        for number in range(idist.get_rank(), len(self.dataset.pairs), idist.get_world_size()):
            pair = self.dataset.pairs[number]
            image = self.look(pair)
            source = _digest(_bytes(image)) + origin
            if labels.source(stage, number) != source:
                labels.write(stage, number, *self.label(image[None]), source)
        idist.barrier()
        if idist.get_rank() == 0:
            labels.forget(stage)
        seconds = time.perf_counter() - began
        logger.info("Stage %d: made them in %.0f s.", stage + 1, seconds)
        return seconds

    def _check_labels(self, stage: int) -> None:
        """Make sure that a stage which is resumed goes on with the images and settings that it began with."""
        made_of = self.dataset.labels.source(stage, 0) or ""
        now = _digest(_bytes(self.look(self.dataset.pairs[0]))) + self._settings()
        for part, name in ((slice(DIGITS), "images"), (slice(DIGITS, 2 * DIGITS), "settings")):
            if made_of[part] != now[part]:
                raise InputError(
                    f"The pseudo labels of stage {stage + 1}, which goes on, were made of other {name} than "
                    "there would be now: resume with what it began with, or begin in another --output_dir."
                )

    def _settings(self) -> str:
        own = {name: value for name, value in vars(self.labeler).items() if name[0] != "_" and name != "training"}
        return _digest(repr((own, self.stride, self.margin)).encode())

    def _weights(self) -> str:
        return _digest(*map(_bytes, (*self.labeler.parameters(), *self.labeler.buffers())))

    def look(self, pair: Mapping[Any, Any]) -> Tensor:
        """What the labeler is given of a pair, without the axis of the batch."""
        return torch.cat([torch.as_tensor(pair[f"{side}_image"]) for side in ("fixed", "moving")])

    def label(self, image: Tensor) -> tuple[Tensor, float]:
        """Register a pair.

        Args:
            image: fixed and moving image, `(1, 2, *spatial)`.

        Returns:
            Displacement, `(d, *coarse)`, voxels of the coarser grid, and the difficulty in the same unit.

        Raises:
            InputError: if the stride does not divide the sizes, or the margin leaves nothing of them.
        """
        sizes = image.shape[2:]
        if any(size % self.stride or size <= 2 * self.margin * self.stride for size in sizes):
            raise InputError(
                f"Pseudo labels need a spatial_size that {self.stride} divides and of which a margin of {self.margin} "
                f"voxels of the labels leaves something, got {tuple(sizes)}."
            )
        device = next(self.labeler.parameters()).device
        with torch.no_grad():
            refined, plain = (self._coarsen(field) for field in self.labeler.register(image.to(device)))
        inside = (slice(None), *(slice(self.margin, size - self.margin) for size in refined.shape[1:]))
        return refined, float((refined - plain)[inside].norm(dim=0).mean())

    def _coarsen(self, field: Tensor) -> Tensor:
        return coarsen_displacement(field, self.stride, self.labeler.centered, self.labeler.scheme)[0]

    def _share_statistics(self) -> None:
        """Give all processes the running statistics of the first, which the checkpoint has."""
        for buffer in self.labeler.buffers() if idist.get_world_size() > 1 else ():
            distributed.broadcast(buffer, 0)


def _draw_weights(network: nn.Module, seed: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in network.modules():
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()  # type: ignore[operator]


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().numpy().tobytes()


def _digest(*parts: bytes) -> str:
    digest = blake2b(digest_size=DIGITS // 2)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
