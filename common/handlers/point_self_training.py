"""The cycle of a self-training on clouds of points."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from monai.engines import SupervisedTrainer
from torch import Tensor, nn

from .self_training import Labelled, SelfTrainingCycle


class PointSelfTrainingCycle(SelfTrainingCycle):
    """Begins each stage of a training on clouds, see `SelfTrainingCycle`, of which it differs in two ways.

    A label is what the network predicts for the whole clouds: the paper names no refinement of points, and without one
    all pairs are equally difficult. The learning rate falls by a factor at some epochs of every stage.

    Args:
        labeler: the network in training, or one that shares its features.
        dataset: see `common.data.PseudoLabelledClouds`.
        epochs: of a stage.
        learning_rate: in the first epoch of each stage.
        milestones: epochs of a stage, from 0, at which it falls.
        factor: by which.
        fresh, seed: see `SelfTrainingCycle`.

    Reference:
        Bigalke et al., MICCAI 2023, https://doi.org/10.1007/978-3-031-43999-5_64 -- section 3.1.
    """

    def __init__(
        self,
        labeler: nn.Module,
        dataset: Labelled,
        epochs: int,
        learning_rate: float,
        milestones: Sequence[int] = (40, 52),
        factor: float = 0.1,
        fresh: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(labeler, dataset, epochs, learning_rate, 0.0, fresh=fresh, seed=seed)  # type: ignore[arg-type]
        self.milestones = milestones
        self.factor = factor

    def set_learning_rate(self, engine: SupervisedTrainer) -> None:
        """Give the optimizer the learning rate of the epoch."""
        epoch = (engine.state.epoch - 1) % self.epochs
        falls = sum(epoch >= milestone for milestone in self.milestones)
        for group in engine.optimizer.param_groups:
            group["lr"] = self.learning_rate * self.factor**falls

    def look(self, pair: Mapping[Any, Any]) -> Tensor:
        """Both clouds, see `common.networks.nets.PointRegistrationNet`."""
        return torch.as_tensor(pair["image"])

    def label(self, image: Tensor) -> tuple[Tensor, float]:
        """Register a pair: displacement of the fixed points, `(N, 3)`, and no difficulty."""
        device = next(self.labeler.parameters()).device
        with torch.no_grad():
            return self.labeler(image.to(device))[0], 0.0
