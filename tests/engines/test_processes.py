from collections.abc import Iterator
from pathlib import Path
from socket import socket

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from common.engines import leave_processes, place_network, process_device, start


@pytest.fixture
def lonely_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment of a process that torchrun started alone."""
    with socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    ranks = {"RANK": 0, "LOCAL_RANK": 3, "WORLD_SIZE": 1, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    for name, value in ranks.items():
        monkeypatch.setenv(name, str(value))
    yield
    if distributed.is_initialized():
        distributed.destroy_process_group()


@pytest.mark.usefixtures("lonely_process")
def test_each_process_has_its_device() -> None:
    assert process_device("nccl") == torch.device("cuda", 3)
    assert process_device("gloo") == torch.device("cpu")


def test_a_process_that_torchrun_did_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    for backend in ("nccl", "gloo"):
        with pytest.raises(ValueError, match=r"Several processes are started by torchrun: for one leave multi_gpu"):
            process_device(backend)


def test_processes_without_their_gpus_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"--backend nccl is not available on this machine: use --backend gloo"):
        start(tmp_path, "cpu", backend="nccl")
    assert not distributed.is_initialized()


def test_one_process_has_the_network_itself(tmp_path: Path) -> None:
    start(tmp_path, "cpu", seed=1)
    network = nn.Conv3d(1, 4, 3)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    assert place_network(network, "cpu", channels_last=True, compiler="eager") is network
    assert network.weight.is_contiguous(memory_format=torch.channels_last_3d)
    assert network.state_dict().keys() == state.keys()
    assert torch.equal(network.weight, state["weight"])


@pytest.mark.usefixtures("lonely_process")
def test_processes_average_their_gradients_until_they_part(tmp_path: Path) -> None:
    start(tmp_path, "cpu", seed=1, backend="gloo")
    network = place_network(nn.Linear(2, 3), process_device("gloo"), compiler="eager")
    assert isinstance(network, DistributedDataParallel)
    assert network._compiled_call_impl is not None
    leave_processes(torch.device("cpu"))
    assert not distributed.is_initialized()


def test_a_start_seeds_and_checks(tmp_path: Path) -> None:
    drawn = []
    for _ in range(2):
        start(tmp_path, "cpu", seed=5)
        drawn.append(torch.rand(3))
    assert torch.equal(*drawn)
    with pytest.raises(FileNotFoundError, match=r"no trained weights at .*absent\.pt"):
        start(tmp_path, "cpu", checkpoint=str(tmp_path / "absent.pt"))
