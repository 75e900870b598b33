"""One reader for all weights, whichever way they were written."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from common.io import load_weights, read_weights, unwrap

WEIGHTS = {"weight": torch.ones(2, 3), "bias": torch.zeros(2)}
OTHERS = {"weight": torch.full((2, 3), 2.0), "bias": torch.zeros(2)}


def written(folder: Path, content: Any) -> Path:
    torch.save(content, folder / "model.pt")
    return folder / "model.pt"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (WEIGHTS, None),
        (WEIGHTS, "model"),
        ({"model": WEIGHTS}, None),
        ({"model": WEIGHTS, "other": OTHERS}, "model"),
        ({"trainer": {"epoch": 1}, "objects": {"network": WEIGHTS, "optimizer": {"state": {}}}}, None),
    ],
)
def test_read_weights_finds_the_network(content: Any, name: str | None, tmp_path: Path) -> None:
    weights = read_weights(written(tmp_path, content), name)
    assert list(weights) == ["weight", "bias"]
    assert torch.equal(weights["weight"], WEIGHTS["weight"])


def test_load_weights_loads_all_of_them(tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    load_weights(network, written(tmp_path, {"model": WEIGHTS}))
    assert torch.equal(network.weight.detach(), WEIGHTS["weight"])


@pytest.mark.filterwarnings("error")
def test_load_weights_checks_them_alone_without_numbers(tmp_path: Path) -> None:
    path = written(tmp_path, {"model": WEIGHTS})
    load_weights(nn.Linear(3, 2, device="meta"), path)
    with pytest.raises(ValueError, match="do not fit the network"):
        load_weights(nn.Linear(3, 3, device="meta"), path)


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ({"a": WEIGHTS, "b": OTHERS}, "c", r"no network c in .*model\.pt: --checkpoint_key is one of a, b"),
        ({"a": WEIGHTS, "b": OTHERS}, None, "--checkpoint_key is one of a, b"),
        ({"trainer": {}, "objects": {}}, None, "holds no weights but trainer, objects"),
        ([1, 2], None, "holds no weights: it is no checkpoint and no state_dict"),
        (WEIGHTS | {"bias": torch.tensor([0, torch.nan])}, None, "damaged: its weights bias are not finite"),
    ],
)
def test_read_weights_rejects_other_content(content: Any, name: str | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_weights(written(tmp_path, content), name)


def test_read_weights_rejects_what_is_no_file_of_weights(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There are no weights at .*absent"):
        read_weights(tmp_path / "absent.pt")
    (tmp_path / "damaged.pt").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"damaged\.pt holds no weights: it is damaged"):
        read_weights(tmp_path / "damaged.pt")


def test_read_weights_notices_a_changed_bit(tmp_path: Path) -> None:
    path = written(tmp_path, WEIGHTS)
    content = bytearray(path.read_bytes())
    content[content.index(WEIGHTS["weight"].numpy().tobytes())] ^= 1
    path.write_bytes(content)
    assert not torch.equal(torch.load(path, weights_only=True)["weight"], WEIGHTS["weight"])  # PyTorch says nothing
    with pytest.raises(ValueError, match="holds no weights: it is damaged"):
        read_weights(path)


def test_read_weights_takes_files_that_are_no_archive(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "model.pt", _use_new_zipfile_serialization=False)
    assert torch.equal(read_weights(tmp_path / "model.pt")["weight"], WEIGHTS["weight"])


def test_read_weights_never_unpickles(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no weights"):
        read_weights(written(tmp_path, {"weight": Path("surprise")}))


def test_load_weights_reaches_a_network_on_several_gpus(tmp_path: Path) -> None:
    network = nn.DataParallel(nn.Linear(3, 2))
    load_weights(network, written(tmp_path, WEIGHTS))
    assert unwrap(network) is network.module
    assert torch.equal(network.module.weight, WEIGHTS["weight"])


def test_load_weights_rejects_another_network(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"do not fit the network: 1 of 2 are missing, .* weight among them"):
        load_weights(nn.Linear(4, 2), written(tmp_path, WEIGHTS))
