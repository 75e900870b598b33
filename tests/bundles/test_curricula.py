"""Curricula on top of the training of every bundle: logged, resumed exactly, and not in what is exported."""

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import rows, run_training, weights
from monai.bundle import ConfigWorkflow

from common.phantoms import torso_phantom, write_phantom

BUNDLES = Path(__file__).parents[2] / "bundles"
OVERLAYS = BUNDLES / "liver_ct_curriculum" / "configs" / "variants"
# By overlay: id of the curriculum, id of its schedule, and where that starts
CURRICULA = {
    "input_blur": ("blur", "blur_sigma", 1.0),
    "dropout": ("dropout", "dropout_rate", 0.5),
    "smoothing": ("smoothing", "smoothing_sigma", 1.0),
}
SIZES = {"spatial_size": [32, 32, 32], "spacing": [12.0, 12.0, 12.0], "num_workers": 0}
TRAININGS: dict[tuple[str, str], dict[str, Any]] = {
    ("abdomen_ct_self_training", "train"): {
        **SIZES,
        "widths": [4] * 5,
        "epochs_per_stage": 2,
        "pairs_per_epoch": 2,
        "label_pairs": 1,
        "label_instance_iterations": 2,
        "margin": 1,
    },
    ("liver_ct_curriculum", "train"): {
        "spatial_size": [32, 32, 32],
        "levels": 3,
        "base_channels": 2,
        "pairs_per_epoch": 2,
        "batch_size": 2,
        "validation_pairs": 1,
        "num_workers": 0,
    },
    ("cardiac_mr_dirnet", "train"): {"spatial_size": [32, 32], "pairs_per_epoch": 4, "batch_size": 2, "channels": 4},
    ("hippocampus_mr_symmetric", "train"): {**SIZES, "multiplier": 1, "batch_size": 2, "labels": list(range(1, 14))},
    ("hippocampus_mr_symmetric", "segmentation"): {**SIZES, "multiplier": 1, "batch_size": 2, "windows": [[400, 200]]},
    ("lung_ct_progressive", "train"): {
        **SIZES,
        "base_channels": 2,
        "levels": 3,
        "transition": 1,
        "duration": 3,
        "pairs_per_epoch": 2,
        "case_grid#region": "whole",
    },
}
everywhere = pytest.mark.parametrize("training", TRAININGS, ids="-".join)


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two coarse torsos with their labels, a list of them, and a cine of a disk that shrinks."""
    folder = tmp_path_factory.mktemp("scans")
    torsos = torso_phantom((28, 24, 32), (12.0, 12.0, 12.0), maximum_displacement=3.0)
    paths = write_phantom(torsos, folder / "torsos")
    listed = [
        {kind: str(paths[f"{side}_{kind}"].relative_to(folder)) for kind in ("image", "label")} | {"cohort": "all"}
        for side in ("fixed", "moving")
    ]
    split = {"training": listed, "validation": listed, "annotated": {"all": [1, 2]}}
    (folder / "split.json").write_text(json.dumps(split))
    i, j = np.meshgrid(np.arange(32), np.arange(32), indexing="ij")
    for patient in "AB":
        disk = np.stack([np.hypot(i - 15, j - 16) < radius for radius in (9, 7, 5)], -1)[:, :, None]
        nib.save(nib.Nifti1Image(100 * disk.astype(np.int16), np.eye(4)), folder / f"{patient}_image.nii.gz")
        nib.save(nib.Nifti1Image(disk.astype(np.uint8), np.eye(4)), folder / f"{patient}_endo.nii.gz")
    return folder


def train(scans: Path, output_dir: Path, training: tuple[str, str], *overlays: str, **options: Any) -> ConfigWorkflow:
    bundle, config = training
    given = {"epochs": 2, "val_interval": 9, "device": "cpu", "dataset_dir": str(scans), **TRAININGS[training]}
    if bundle != "cardiac_mr_dirnet":
        given["datalist"] = str(scans / "split.json")
    files = [config, *(f"../../{OVERLAYS.relative_to(BUNDLES)}/{name}" for name in overlays)]
    return run_training(BUNDLES / bundle, output_dir, *files, **{**given, **options})


@everywhere
@pytest.mark.parametrize("overlay", CURRICULA)
def test_curriculum_is_logged_resumed_and_leaves_no_trace(
    scans: Path, tmp_path: Path, training: tuple[str, str], overlay: str
) -> None:
    curriculum, schedule, start = CURRICULA[overlay]
    steps = {f"{schedule}#over": 40}
    workflow = train(scans, tmp_path / "whole", training, overlay, **steps)
    trained = workflow.parser.get_parsed_content("network_def")
    lines = rows(tmp_path / "whole" / "metrics.csv")
    for line in lines:
        value = start * (1 - (int(line["iteration"]) - 1) / 40)
        assert float(line[f"curriculum_{overlay}"]) == pytest.approx(value)
    assert len(lines) == 2

    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    (tmp_path / "parts" / "checkpoints" / "checkpoint_epoch=2.pt").unlink()  # killed in the middle
    middle = tmp_path / "whole" / "checkpoints" / "checkpoint_epoch=1.pt"
    train(scans, tmp_path / "parts", training, overlay, **steps, resume=True)
    whole, parts = (weights(tmp_path / way) for way in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)

    plain = train(scans, tmp_path / "plain", training, run=False).parser.get_parsed_content("network_def").eval()
    channels = getattr(trained, "in_channels", 2) * (1 + hasattr(trained, "symmetric"))
    image = torch.rand(1, channels, *TRAININGS[training]["spatial_size"])
    for value, state in ((0.4, torch.load(middle, weights_only=True)["objects"]["network"]), (0.0, whole)):
        plain.load_state_dict(state)  # strictly: the names are the same
        trained.load_state_dict(state)
        trained.train()
        workflow.parser.get_parsed_content(curriculum).value = value
        if training[0] != "abdomen_ct_self_training":  # whose network fits each pair, and cannot be scripted
            torch.testing.assert_close(torch.jit.script(trained).eval()(image), plain(image))
        torch.testing.assert_close(trained.eval()(image), plain(image))


@everywhere
def test_curriculum_changes_the_training(scans: Path, tmp_path: Path, training: tuple[str, str]) -> None:
    """Once it is over, it does not."""
    over = {f"{schedule}#start": 0.0 for _, schedule, _ in CURRICULA.values()}
    ways = {"none": ((), {}), "over": (CURRICULA, over), "all": (CURRICULA, {})}
    losses = {}
    for way, (overlays, options) in ways.items():
        train(scans, tmp_path / way, training, *overlays, **options, epochs=1)
        (line,) = rows(tmp_path / way / "metrics.csv")
        losses[way] = line["loss"]
    assert {f"curriculum_{name}" for name in CURRICULA} <= set(line)
    assert losses["over"] == losses["none"] != losses["all"]


@everywhere
def test_curricula_last_for_half_of_the_steps(scans: Path, tmp_path: Path, training: tuple[str, str]) -> None:
    workflow = train(scans, tmp_path, training, *CURRICULA, run=False)
    half = len(workflow.parser.get_parsed_content("train#dataloader"))  # of two epochs
    for _, schedule, start in CURRICULA.values():
        value = workflow.parser.get_parsed_content(schedule)
        assert [value(0), value(half)] == [start, 0]
        assert value(half - 1) > 0


@pytest.mark.parametrize("overlay", CURRICULA)
def test_overlays_are_at_most_six_lines(overlay: str) -> None:
    lines = (OVERLAYS / f"{overlay}.json").read_text().splitlines()
    assert len(lines) <= 6
    assert max(map(len, lines)) <= 120
