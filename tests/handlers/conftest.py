"""A training run small enough to be run many times, with everything in it that may differ when it is resumed."""

import functools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ignite.metrics import Average
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.handlers import LrScheduleHandler, ParamSchedulerHandler, ValidationHandler
from monai.transforms import RandGaussianNoise
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from common.handlers import EpochSeed, TrainingCheckpoint, cosine, linear


class Pairs(Dataset):
    """Six random pairs, others in each epoch, from every source of randomness there is."""

    def __init__(self) -> None:
        self.epoch = 0
        self.noise = RandGaussianNoise(prob=1.0)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        shift = self.epoch + index + random.random() + np.random.rand()  # noqa: NPY002
        image = self.noise(torch.rand(4) + shift)
        return {"image": torch.as_tensor(image).as_subclass(Tensor), "label": torch.full((1,), shift)}


class Loss(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.regularization_weight = 1.0
        self.terms: dict[str, float] = {}
        self.factor = 1.0

    def forward(self, prediction: Tensor, label: Tensor) -> Tensor:
        similarity = self.factor * (prediction - label).square().mean()
        regularization = prediction.abs().mean()
        loss = similarity + self.regularization_weight * regularization
        values = {"similarity": similarity, "regularization": regularization, "loss": loss}
        self.terms = {name: float(value.detach()) for name, value in values.items()}
        return loss


class Training:
    """Fresh objects, as in a new process."""

    def __init__(
        self,
        folder: Path,
        epochs: int,
        handlers: Callable[["Training"], list[Any]] = lambda training: [],
        scores: list[float] | None = None,
        epoch_length: int | None = None,
        workers: int = 0,
        **options: Any,
    ) -> None:
        torch.manual_seed(7)
        self.folder = folder
        self.network = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
        self.loss = Loss()
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=0.01)
        factor = functools.partial(cosine, start=1.0, end=0.1, over=12, warmup=2)
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, factor)
        self.validator = SupervisedEvaluator(
            device=torch.device("cpu"),
            val_data_loader=DataLoader(Pairs(), batch_size=6),
            network=self.network,
            key_val_metric={"dice": Average(output_transform=lambda _: self._score(scores))},
        )
        self.checkpoint = TrainingCheckpoint(
            folder,
            {"network": self.network, "optimizer": self.optimizer, "lr_scheduler": self.lr_scheduler},
            self.validator,
            **options,
        )
        weight = functools.partial(setattr, self.loss, "regularization_weight")
        lr_schedule: Any = self.lr_scheduler  # MONAI's type is that of older versions of torch
        schedule = functools.partial(linear, start=1.0, end=0.0, over=9)
        self.trainer = SupervisedTrainer(
            device=torch.device("cpu"),
            max_epochs=epochs,
            train_data_loader=DataLoader(Pairs(), batch_size=2, shuffle=True, num_workers=workers),
            network=self.network,
            optimizer=self.optimizer,
            loss_function=self.loss,
            epoch_length=epoch_length,
            train_handlers=[
                self.checkpoint,  # in the wrong place on purpose: it saves last all the same
                EpochSeed(3),
                ParamSchedulerHandler(weight, schedule, {}, event="ITERATION_STARTED"),
                LrScheduleHandler(lr_schedule, epoch_level=False, print_lr=False),
                ValidationHandler(1, self.validator),
                *handlers(self),
            ],
        )

    def _score(self, scores: list[float] | None) -> float:
        return scores[self.validator.state.epoch - 1] if scores else 0.5

    def run(self) -> "Training":
        self.trainer.run()
        return self


@pytest.fixture
def training() -> type[Training]:
    return Training
