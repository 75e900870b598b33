"""What the cycle of clouds does otherwise than that of images."""

from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Events
from monai.engines import SupervisedTrainer
from torch import Tensor

from common.data import DataLoader, PseudoLabelledClouds, PseudoLabels
from common.handlers import EpochSeed, PointSelfTrainingCycle
from common.losses import PointDistance
from common.networks.nets import PointRegistrationNet, join_clouds


def prepare(batch: dict[str, Any], *_: Any, **__: Any) -> tuple[Tensor, dict[str, Any]]:
    return batch["image"], batch | {"unit": torch.ones(len(batch["image"]), 1, 1)}


def make(folder: Path, epochs: int = 4) -> tuple[SupervisedTrainer, PointSelfTrainingCycle, list[float]]:
    torch.manual_seed(0)
    clouds = [torch.rand(30 + n, 3) for n in range(2)]
    pairs = [{"image": join_clouds(cloud, cloud.flip(0) + 0.1)} for cloud in clouds]
    data = PseudoLabelledClouds(pairs, PseudoLabels(folder), length=2, points=(20, 25))
    network = PointRegistrationNet(candidates=12)
    cycle = PointSelfTrainingCycle(network, data, epochs=2, learning_rate=0.01, milestones=[1])
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=epochs,
        train_data_loader=DataLoader(data, batch_size=2),
        network=network,
        optimizer=torch.optim.Adam(network.parameters()),
        loss_function=PointDistance(),
        prepare_batch=prepare,
        decollate=False,
    )
    cycle.attach(trainer)
    EpochSeed().attach(trainer)
    rates: list[float] = []
    trainer.add_event_handler(Events.ITERATION_COMPLETED, lambda e: rates.append(e.optimizer.param_groups[0]["lr"]))
    return trainer, cycle, rates


def test_learning_rate_falls_in_every_stage(tmp_path: Path) -> None:
    trainer, _, rates = make(tmp_path)
    trainer.run()
    assert rates == pytest.approx([0.01, 0.001, 0.01, 0.001])


def test_labels_are_what_the_network_predicts(tmp_path: Path) -> None:
    trainer, cycle, _ = make(tmp_path, epochs=1)
    first = cycle.labeler.eval()
    expected = [first(pair["image"][None])[0].detach() for pair in cycle.dataset.pairs]
    assert cycle.refresh(0) > 0
    for number, displacement in enumerate(expected):
        torch.testing.assert_close(cycle.dataset.labels.field(0, number), displacement, atol=1e-3, rtol=0)
        assert cycle.dataset.labels.difficulty(0, number) == 0
    weights = [parameter.clone() for parameter in cycle.labeler.parameters()]
    trainer.run()  # drawn anew after the labels of the first stage
    assert any((a - b).abs().max() > 0.05 for a, b in zip(weights, cycle.labeler.parameters(), strict=True))
