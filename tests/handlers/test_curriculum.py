import csv
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import nn

from common.handlers import Curriculum, MetricsCsv, TensorBoard, linear
from common.networks.layers import CurriculumDropout, InputBlur

SCHEDULE = partial(linear, start=0.5, end=0.0, over=10)


class Drop(CurriculumDropout):
    """Drops after the first layer of a network without convolutions."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network, layers=["0"])


def handlers(training: Any) -> list[Any]:
    return [
        Curriculum(Drop(training.network), SCHEDULE),
        MetricsCsv(training.folder / "metrics.csv", training.validator),
        TensorBoard(training.folder / "events"),
    ]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_values_are_those_of_the_iterations_and_end_with_the_training() -> None:
    network, seen = nn.Conv2d(1, 1, 3), []
    blur = InputBlur(network)
    engine = Engine(lambda engine, batch: seen.append(blur.value))
    Curriculum(blur, SCHEDULE).attach(engine)
    engine.run(range(6), max_epochs=2)
    assert seen == pytest.approx([SCHEDULE(step) for step in range(12)])
    assert blur.value == 0
    assert not network._forward_pre_hooks


def test_values_are_logged_beside_the_losses(training: Any, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    training(tmp_path, 3, handlers).run()
    values = [float(row["curriculum_dropout"]) for row in rows(tmp_path)]
    assert values == pytest.approx([SCHEDULE(2), SCHEDULE(5), SCHEDULE(8)])  # at the end of each epoch of three
    events = accumulator.EventAccumulator(str(tmp_path / "events")).Reload().Scalars("curriculum_dropout")
    assert [event.step for event in events] == list(range(1, 10))
    assert [event.value for event in events] == pytest.approx([SCHEDULE(step) for step in range(9)])


def test_resumed_training_is_the_uninterrupted_one(training: Any, tmp_path: Path) -> None:
    straight = training(tmp_path / "straight", 4, handlers).run()
    training(tmp_path / "resumed", 2, handlers).run()
    resumed = training(tmp_path / "resumed", 4, handlers, resume=True).run()
    plain = training(tmp_path / "plain", 4).run()
    for name, weight in straight.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], weight)
    assert straight.network.state_dict().keys() == plain.network.state_dict().keys()
    assert not torch.equal(straight.network[0].weight, plain.network[0].weight)


def test_several_curricula_run_side_by_side() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU())
    engine = Engine(lambda engine, batch: None)
    for tool in (InputBlur(network), CurriculumDropout(network)):
        Curriculum(tool, SCHEDULE).attach(engine)
    engine.run([0])
    assert vars(engine.state)["curricula"] == {"curriculum_input_blur": 0.5, "curriculum_dropout": 0.5}
