import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.inferers import SimpleInferer
from torch import nn
from torch.utils.data import DataLoader

from common.engines import (
    TrainingHandlers,
    ValidationHandlers,
    registration_metrics,
    training_engine,
    validation_engine,
)
from common.losses import RegistrationLoss, Similarity

SHAPE = (12, 10, 14)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1, 3, 1, 1, 1))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.shift + 0 * image[:, :1]


def build(folder: Path, **options: Any) -> tuple[SupervisedTrainer, SupervisedEvaluator]:
    torch.manual_seed(0)
    pairs: Any = [{"fixed_image": torch.rand(1, *SHAPE), "moving_image": torch.rand(1, *SHAPE)} for _ in range(2)]
    network = Net()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    validator = validation_engine(
        network,
        DataLoader(pairs, batch_size=1),
        SimpleInferer(),
        registration_metrics(["ncc", "folding_percent"]),
        [ValidationHandlers(folder, (1.0, 1.0, 1.0))],
    )
    handlers = TrainingHandlers(
        validator,
        folder,
        **{"ckpt_dir": folder / "checkpoints", "val_interval": 2, **options},
        lr_scheduler=torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.5**epoch),
    )
    loss = RegistrationLoss({"similarity": [1.0, Similarity(nn.MSELoss())]})
    trainer = training_engine(network, loss, optimizer, DataLoader(pairs, batch_size=2), SimpleInferer(), 2, [handlers])
    return trainer, validator


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_is_kept_measured_and_shown(tmp_path: Path) -> None:
    trainer, _ = build(tmp_path)
    trainer.run()
    lines = rows(tmp_path / "metrics.csv")
    assert [line["learning_rate"] for line in lines] == ["0.1", "0.05"]
    assert lines[0]["val_ncc"] == ""
    assert -1 < float(lines[1]["val_ncc"]) < 1
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {
        "checkpoint_epoch=1.pt",
        "checkpoint_epoch=2.pt",
        "model.pt",
    }
    assert (tmp_path / "validation_epoch=2.png").is_file()
    state = torch.load(tmp_path / "checkpoints" / "checkpoint_epoch=2.pt", weights_only=True)
    assert set(state["objects"]) == {"network", "optimizer", "lr_scheduler"}


def test_a_resumed_run_goes_on(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    build(whole)[0].run()
    trainer, _ = build(parts)
    trainer.state.max_epochs = 1
    trainer.run()
    build(parts, resume=True)[0].run()
    finals = [
        torch.load(folder / "checkpoints" / "checkpoint_epoch=2.pt", weights_only=True)["objects"]["network"]["shift"]
        for folder in (whole, parts)
    ]
    assert torch.equal(*finals)


def test_without_a_folder_nothing_is_kept(tmp_path: Path) -> None:
    build(tmp_path, ckpt_dir=None)[0].run()
    assert not list(tmp_path.rglob("*.pt"))


def test_the_first_weights_can_be_validated(tmp_path: Path) -> None:
    trainer, validator = build(tmp_path, validate_first=True, val_interval=1)
    seen = []
    validator.add_event_handler(
        "COMPLETED", lambda: seen.append(float(trainer.network.state_dict()["shift"].abs().sum()))
    )
    trainer.run()
    assert len(seen) == 3
    assert seen[0] == 0 < seen[1]


def test_loss_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    trainer, _ = build(tmp_path)
    trainer.loss_function = lambda prediction, batch: prediction.sum() * float("nan")
    with pytest.raises(ValueError, match="Training stopped in epoch 1, iteration 1: loss is nan"):
        trainer.run()
    assert not list(tmp_path.rglob("*.pt"))
