"""What a training needs is known before anything of it is allocated or read."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from bundle_runs import run_training
from monai.bundle import ConfigParser
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from common.engines.rehearsal import kept_in_training, rehearse
from common.io import InputError

BUNDLES = Path(__file__).parents[2] / "bundles"
# of each network: what the config is called, channels of its images, and settings that keep the test small
NETWORKS: list[tuple[str, str, int, dict[str, Any]]] = [
    ("abdomen_ct_self_training", "train", 2, {"spatial_size": [16, 16, 32], "widths": [2, 3, 4, 4, 4]}),
    ("cardiac_mr_dirnet", "train", 2, {"spatial_size": [64, 64], "batch_size": 2}),
    ("hippocampus_mr_symmetric", "train", 2, {"spatial_size": [16, 16, 32]}),
    ("hippocampus_mr_symmetric", "segmentation", 1, {"spatial_size": [16, 16, 16], "batch_size": 2}),
    ("liver_ct_curriculum", "train", 2, {"spatial_size": [32, 32, 32], "levels": 4, "base_channels": 4}),
    ("lung_ct_progressive", "train", 2, {"spatial_size": [32, 32, 32], "base_channels": 4}),
]
HUGE = {3: {"batch_size": 64, "spatial_size": [512, 512, 512]}, 2: {"batch_size": 512, "spatial_size": [4096, 4096]}}


def network_of(bundle: str, config: str, options: dict[str, Any]) -> tuple[nn.Module, list[int]]:
    parser = ConfigParser()
    parser.read_config(str(BUNDLES / bundle / "configs" / f"{config}.json"))
    parser.update(options)
    return parser.get_parsed_content("network_def"), [parser["batch_size"], *options["spatial_size"]]


def test_kept_are_weights_and_each_map_once() -> None:
    network = nn.Sequential(nn.Conv2d(2, 5, 1), nn.ReLU(), nn.Conv2d(5, 3, 1)).to("meta")
    weights, kept = kept_in_training(network, (4, 2, 10, 10))
    assert weights == 4 * (2 * 5 + 5 + 5 * 3 + 3)
    assert kept == 4 * 4 * 100 * (2 + 5)  # what the convolutions are given; the activation's answer is one of these


@pytest.mark.parametrize(("bundle", "config", "channels", "options"), NETWORKS, ids=str)
def test_kept_is_what_a_real_step_keeps_and_no_more(
    bundle: str, config: str, channels: int, options: dict[str, Any]
) -> None:
    with torch.device("meta"):
        bare, (batch, *size) = network_of(bundle, config, options)
    _, kept = kept_in_training(bare, (batch, channels, *size))
    network, _ = network_of(bundle, config, options)
    tensors: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        tensors[tensor.untyped_storage().data_ptr()] = tensor.detach()  # alive, so that no place is used twice
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        network.train()(torch.rand(batch, channels, *size))
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    real = sum(tensor.untyped_storage().nbytes() for place, tensor in tensors.items() if place not in own)
    assert 0.8 * real <= kept <= real


def test_kept_of_a_network_that_needs_numbers_is_that_so_far() -> None:
    class Peeking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            maps = self.first(image)
            return self.second(maps / maps.sum().item())

    assert kept_in_training(Peeking().to("meta"), (1, 1, 5, 5)) == (16, 100)


@pytest.mark.parametrize(("bundle", "config", "channels", "options"), NETWORKS, ids=str)
def test_training_that_cannot_fit_is_refused_before_anything_is_read(
    bundle: str, config: str, channels: int, options: dict[str, Any], tmp_path: Path
) -> None:
    huge: dict[str, Any] = {"device": "cpu", "dataset_dir": "nowhere", **HUGE[len(options["spatial_size"])]}
    told = rf"^This training needs more than .* GB of memory, .* free: for images of .*, {huge['batch_size']} at once: "
    with pytest.raises(InputError, match=told):
        run_training(BUNDLES / bundle, tmp_path / "out", config, **huge)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bundle", sorted({name for name, *_ in NETWORKS}))
@pytest.mark.parametrize("overlays", [(), ("evaluate",)], ids=str)
def test_mistakes_are_told_before_anything_is_read(bundle: str, overlays: tuple[str, ...], tmp_path: Path) -> None:
    other = "cardiac_mr_dirnet" if bundle != "cardiac_mr_dirnet" else "hippocampus_mr_symmetric"
    misfit = str(BUNDLES / other / "models" / "model.pt")
    weights = "checkpoint" if overlays else "initial_weights"
    cases: list[tuple[dict[str, Any], str]] = [
        ({weights: "absent.pt"}, "^There are no (trained )?weights at absent.pt"),
        ({weights: misfit}, r"^The weights in .*model\.pt do not fit the network|^There is no network"),
        ({"metrics": ["dise"]}, r"^--metrics is expected to be a list out of dice, .*, got \['dise'\]\.$"),
        ({"case_grid#region": "x"}, "^region is expected to be one of whole, "),
        ({"loss#padding": "x"}, "^padding is expected to be one of border, zeros, inside, got x"),
    ]
    for options, told in cases[: 3 if overlays else None]:
        with pytest.raises((InputError, FileNotFoundError), match=told):
            run_training(
                BUNDLES / bundle, tmp_path / "out", "train", *overlays, device="cpu", dataset_dir="nowhere", **options
            )
    assert not list(tmp_path.iterdir())


def test_checkpoints_of_an_earlier_run_are_told_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "checkpoint_epoch=1.pt").write_bytes(b"")
    options: dict[str, Any] = {"device": "cpu", "dataset_dir": "nowhere"}
    bundle = BUNDLES / "hippocampus_mr_symmetric"
    with pytest.raises(InputError, match="holds checkpoints of an earlier run: use --resume true or another --ckpt_d"):
        run_training(bundle, tmp_path, "train", **options)
    for names in (["train", "evaluate"], ["train", "monai_label"]):  # these write no checkpoints there
        with pytest.raises(FileNotFoundError, match="There is no folder nowhere"):
            run_training(bundle, tmp_path, *names, **options)


def test_folder_of_the_checkpoints_has_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"^--ckpt_dir .*file cannot be written: File exists\.$"):
        run_training(
            BUNDLES / "liver_ct_curriculum",
            tmp_path / "out",
            "train",
            device="cpu",
            dataset_dir="nowhere",
            ckpt_dir=str(tmp_path / "file"),
        )


def test_rehearsal_without_a_config_does_nothing() -> None:
    rehearse(torch.device("cpu"), image_shape=(math.inf,))  # type: ignore[arg-type]
