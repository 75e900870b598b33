from pathlib import Path

import pytest
import torch
from ignite.engine import Engine
from torch import nn

from common.handlers import LoadWeights


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.pt"
    networks = {"a": nn.Linear(2, 3), "b": nn.Linear(2, 3)}
    torch.save({name: network.half().state_dict() for name, network in networks.items()}, path)
    return path


def run(network: nn.Module, checkpoint: Path, key: str | None = None) -> None:
    engine = Engine(lambda *_: None)
    LoadWeights(network, checkpoint, key).attach(engine)
    engine.run([0])


def test_weights_are_loaded_when_a_run_starts(file: Path) -> None:
    network = nn.Linear(2, 3)
    run(network, file, "b")
    assert torch.equal(network.weight, torch.load(file, weights_only=True)["b"]["weight"].float())


def test_wrapped_network_takes_the_weights_of_one_process(file: Path) -> None:
    network = nn.DataParallel(nn.Linear(2, 3))
    run(network, file, "a")
    assert torch.equal(network.module.bias, torch.load(file, weights_only=True)["a"]["bias"].float())


def test_weights_that_do_not_fit_raise_one_sentence(file: Path) -> None:
    with pytest.raises(ValueError, match=r"^The weights in .* do not fit the network: 2 of 2 .*Do its settings differ"):
        run(nn.Linear(2, 4), file, "a")
    with pytest.raises(ValueError, match=r"^There is no network c in"):
        run(nn.Linear(2, 3), file, "c")
