from pathlib import Path

import pytest
import torch
from ignite.engine import Engine
from monai.handlers import CheckpointLoader
from torch import nn

from common.handlers import pack_mean_weights, pack_weights
from common.networks.nets import DisplacementUNet, ProgressiveUNet


def written(path: Path, value: float) -> Path:
    net = nn.BatchNorm1d(3)
    nn.init.constant_(net.weight, value)
    torch.save(net.state_dict(), path)
    return path


def test_one_network_in_half_precision(tmp_path: Path) -> None:
    pack_weights({"": written(tmp_path / "a.pt", 0.5)}, tmp_path / "model.pt", half=True)
    weights = torch.load(tmp_path / "model.pt", weights_only=True)
    assert weights["weight"].dtype == torch.float16
    assert weights["num_batches_tracked"].dtype == torch.int64
    assert weights["weight"].tolist() == [0.5] * 3


def test_several_networks_are_loaded_by_name(tmp_path: Path) -> None:
    files = {f"digit_{n}": written(tmp_path / f"{n}.pt", n) for n in range(3)}
    pack_weights(files, tmp_path / "model.pt")
    net = nn.BatchNorm1d(3)
    CheckpointLoader(str(tmp_path / "model.pt"), {"digit_2": net})(Engine(lambda engine, batch: None))
    assert net.weight.tolist() == [2.0] * 3


@pytest.mark.parametrize("mean", [False, True])
def test_layers_of_a_progressive_training_are_dropped(mean: bool, tmp_path: Path) -> None:
    network = ProgressiveUNet(2, base_channels=2, levels=3)
    torch.save(network.state_dict(), tmp_path / "a.pt")
    if mean:
        pack_mean_weights([tmp_path / "a.pt"] * 2, tmp_path / "model.pt")
    else:
        pack_weights({"": tmp_path / "a.pt"}, tmp_path / "model.pt")
    plain = DisplacementUNet(2, base_channels=2, levels=3).eval()
    plain.load_state_dict(torch.load(tmp_path / "model.pt", weights_only=True))
    image = torch.rand(1, 2, 16, 16)
    assert torch.equal(plain(image), network.eval()(image))


def test_newest_checkpoint_of_a_folder(tmp_path: Path) -> None:
    for epoch in (9, 10):
        network = {"weight": torch.full((2,), float(epoch))}
        trainer = {"epoch": epoch, "iteration": epoch, "epoch_length": 1}
        torch.save({"trainer": trainer, "objects": {"network": network}}, tmp_path / f"checkpoint_epoch={epoch}.pt")
    pack_weights({"": tmp_path}, tmp_path / "model.pt")
    assert torch.load(tmp_path / "model.pt", weights_only=True)["weight"].tolist() == [10.0, 10.0]


def test_what_holds_no_weights_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no weights at"):
        pack_weights({"": tmp_path / "missing.pt"}, tmp_path / "model.pt")
    with pytest.raises(FileNotFoundError, match="no whole checkpoint in"):
        pack_weights({"": tmp_path}, tmp_path / "model.pt")
    (tmp_path / "damaged.pt").write_bytes(b"PK")
    with pytest.raises(ValueError, match="it is damaged"):
        pack_weights({"": tmp_path / "damaged.pt"}, tmp_path / "model.pt")
    torch.save({"trainer": {}, "objects": {}}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="holds no weights but trainer, objects"):
        pack_weights({"": tmp_path / "checkpoint.pt"}, tmp_path / "model.pt")
    assert not (tmp_path / "model.pt").exists()


def test_mean_of_several_trainings(tmp_path: Path) -> None:
    files = [written(tmp_path / f"{n}.pt", n) for n in (1, 2, 6)]
    pack_mean_weights(files, tmp_path / "mean.pt", half=True)
    weights = torch.load(tmp_path / "mean.pt", weights_only=True)
    assert weights["weight"].tolist() == [3.0] * 3
    assert weights["num_batches_tracked"].dtype == torch.int64


def test_mean_of_different_networks_raises(tmp_path: Path) -> None:
    torch.save(nn.BatchNorm1d(4).state_dict(), tmp_path / "b.pt")
    with pytest.raises(ValueError, match=r"b\.pt is expected to hold weights of the network of"):
        pack_mean_weights([written(tmp_path / "a.pt", 1), tmp_path / "b.pt"], tmp_path / "mean.pt")
