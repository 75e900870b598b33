"""Training the noisy-label segmenter on cohorts that annotate different organs, and labeling scans with it."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import rows, run_training
from monai.bundle import ConfigWorkflow

from common.engines import Segmenter
from common.io import read_scan
from common.phantoms import torso_phantom, write_phantom

BUNDLE = Path(__file__).parents[2] / "bundles" / "hippocampus_mr_symmetric"
ORGANS = 3
COHORTS = {"annotated": {"first": [1], "whole": [1, 2, 3]}, "label_map": {"first": {"2": 1}}}
TINY = {
    "multiplier": 1,
    "spatial_size": [32, 32, 32],
    "batch_size": 2,
    "epochs": 2,
    "val_interval": 1,
    "num_workers": 0,
    "device": "cpu",
    "spacing": [10.0, 10.0, 10.0],
    "windows": [[400, 200]],
    "organ_count": ORGANS,
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four scans; one cohort knows the first organ alone, and calls it 2."""
    folder = tmp_path_factory.mktemp("cases")
    listed = []
    for seed in range(2):
        pair = torso_phantom((28, 24, 32), (12.0, 12.0, 12.0), maximum_displacement=3.0, seed=seed)
        paths = write_phantom(pair, folder / str(seed))
        for side in ("fixed", "moving"):
            image, label = (str(paths[f"{side}_{kind}"].relative_to(folder)) for kind in ("image", "label"))
            listed.append({"image": image, "label": label, "cohort": "whole"})
    stored = nib.load(folder / listed[0]["label"])
    listed[0]["cohort"] = "first"
    only = 2 * (np.asarray(stored.dataobj) == 1).astype(np.uint8)
    nib.save(nib.Nifti1Image(only, stored.affine), folder / listed[0]["label"])
    datalist = {"training": listed[:3], "validation": listed[3:], **COHORTS}
    (folder / "dataset.json").write_text(json.dumps(datalist))
    return folder


def train(cases: Path, output_dir: Path, *overlays: str, **options: Any) -> ConfigWorkflow:
    given = {**TINY, "dataset_dir": str(cases), "datalist": str(cases / "dataset.json"), **options}
    return run_training(BUNDLE, output_dir, "segmentation", *overlays, **given)


@pytest.fixture(scope="module")
def trained(cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    workflow = train(cases, folder, epochs=5, val_interval=5, learning_rate=0.02)
    assert workflow.check_properties() == []
    return folder


def test_training_learns_and_writes_what_it_promises(trained: Path) -> None:
    lines = rows(trained / "metrics.csv")
    assert float(lines[-1]["loss"]) < float(lines[0]["loss"]) - 0.05
    assert 0 <= float(lines[-1]["val_dice"]) <= 1
    names = {path.name for path in (trained / "checkpoints").iterdir()}
    assert names == {"checkpoint_epoch=4.pt", "checkpoint_epoch=5.pt", "model.pt", "settings.json"}
    assert list(trained.glob("events.out.tfevents*"))


def test_batches_know_what_is_annotated(cases: Path, tmp_path: Path) -> None:
    workflow = train(cases, tmp_path, epochs=1)
    dataset = workflow.parser.get_parsed_content("train#dataset")
    assert dataset[0]["annotated"].tolist() == [1, 0, 0]
    assert sorted(dataset[0]["label"].unique().tolist()) == [0, 1]  # 2 in the file
    assert dataset[1]["annotated"].tolist() == [1, 1, 1]
    assert dataset[0]["image"].shape == (1, 32, 32, 32)


def test_resumed_training_is_the_uninterrupted_one(cases: Path, tmp_path: Path) -> None:
    train(cases, tmp_path / "whole")
    train(cases, tmp_path / "parts", epochs=1)
    train(cases, tmp_path / "parts", resume=True)
    whole, parts = (
        torch.load(tmp_path / way / "checkpoints" / "checkpoint_epoch=2.pt", weights_only=True)["objects"]["network"]
        for way in ("whole", "parts")
    )
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_refused_training_leaves_the_settings(trained: Path, cases: Path) -> None:
    before = (trained / "checkpoints" / "settings.json").read_text()
    with pytest.raises(ValueError, match="holds checkpoints of an earlier run"):
        train(cases, trained, windows=[[100, 10]])
    assert (trained / "checkpoints" / "settings.json").read_text() == before


def test_training_resumed_with_other_settings_is_a_mistake(trained: Path, cases: Path) -> None:
    before = (trained / "checkpoints" / "settings.json").read_text()
    with pytest.raises(
        ValueError, match=r"^The training in .* began with spacing \[.*\], got \[9\.0, 9\.0, 9\.0\]: resume"
    ):
        train(cases, trained, spacing=[9.0, 9.0, 9.0], resume=True, epochs=9)
    assert (trained / "checkpoints" / "settings.json").read_text() == before


def test_overlay_of_the_hippocampus_runs(cases: Path, tmp_path: Path) -> None:
    train(cases, tmp_path, "variants/hippocampus_segmentation", epochs=1, windows="$None")  # as the overlay has them
    assert (tmp_path / "checkpoints" / "model.pt").is_file()


@pytest.mark.parametrize("name", ["model.pt", "checkpoint_epoch=5.pt"])
def test_segmenter_takes_the_settings_of_the_training(trained: Path, cases: Path, name: str) -> None:
    segmenter = Segmenter(trained / "checkpoints" / name)
    scan = read_scan(cases / "1" / "moving_image.nii.gz")
    label = segmenter(scan)
    assert label.shape == scan.shape
    assert segmenter.organ_count == ORGANS
    assert segmenter.inferer.roi_size == [32, 32, 32]
