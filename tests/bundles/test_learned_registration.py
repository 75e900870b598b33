"""Registering scans with a trained network: shipped weights, other weights, both directions."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import run_inference

from common.io import read_table
from common.networks.nets import SymmetricGradientNet
from common.reports import read_record

REPOSITORY = Path(__file__).parents[2]
BUNDLE = REPOSITORY / "bundles" / "hippocampus_mr_symmetric"
LIMIT = 12 * 2**20  # bytes


def register(output_dir: Path, *overlays: str, **options: Any) -> dict:
    return run_inference(BUNDLE, output_dir, *overlays, **options)


@pytest.fixture
def blobs(tmp_path: Path) -> dict[str, str]:
    """Gray bodies of the size of a hippocampus, two labels each, in brighter surroundings beside a dark rim."""
    places = np.stack(np.meshgrid(*[np.arange(n) for n in (36, 50, 34)], indexing="ij"), axis=-1)
    noise = np.random.default_rng(0).normal(size=places.shape[:-1])
    paths = {}
    for side, shift, radii in (("fixed", (0, 0, 0), (7, 16, 6)), ("moving", (1.5, 1.5, -1.5), (8, 16, 5.4))):
        offset = places - [18, 25, 17] - np.array(shift)
        distance = np.linalg.norm(offset / radii, axis=-1)
        label = (distance < 1).astype(np.uint8) + ((distance < 1) & (offset[..., 1] < 0))
        image = 110 - 40 / (1 + np.exp(12 * (distance - 1))) - 90 * np.exp(-(((distance - 1.4) / 0.25) ** 2))
        for kind, array in (("image", (image + 5 * noise).astype(np.float32)), ("label", label.astype(np.uint8))):
            paths[f"{side}_{kind}"] = str(tmp_path / f"{side}_{kind}.nii.gz")
            nib.save(nib.Nifti1Image(array, np.eye(4)), paths[f"{side}_{kind}"])
    return paths


# What the network still sees between warped bodies without the texture of a hippocampus takes some of the gain back.
@pytest.mark.parametrize(("weight", "gain"), [(0.0, 0.05), (0.5, 0.02)])
def test_shipped_weights_register(blobs: dict[str, str], tmp_path: Path, weight: float, gain: float) -> None:
    assert (BUNDLE / "models" / "model.pt").stat().st_size < LIMIT
    register(tmp_path / "result", **blobs, residual_weight=weight)
    metrics = json.loads((tmp_path / "result" / "metrics.json").read_text())
    assert metrics["dice"]["after"] > metrics["dice"]["before"] + gain
    assert metrics["folding_percent"] < 0.5


@pytest.mark.parametrize("overlays", [[], ["variants/pyramid"]], ids=["paper", "pyramid"])
def test_without_scans_a_pair_of_its_own_anatomy_is_registered(tmp_path: Path, overlays: list[str]) -> None:
    metrics = register(tmp_path / "result", *overlays)
    assert metrics["dice"]["after"] > metrics["dice"]["before"] + 0.05
    assert metrics["tre_mm"]["after"] < metrics["tre_mm"]["before"]
    assert metrics["folding_percent"] < 0.5


def test_both_directions_are_written_on_their_own_grids(blobs: dict[str, str], tmp_path: Path) -> None:
    torch.save(SymmetricGradientNet(multiplier=1, deep_supervision=False).state_dict(), tmp_path / "model.pt")
    cropped = nib.load(blobs["moving_image"]).slicer[2:]
    nib.save(cropped, tmp_path / "cropped.nii.gz")
    scans = {"fixed_image": blobs["fixed_image"], "moving_image": str(tmp_path / "cropped.nii.gz")}
    register(
        tmp_path / "both", **scans, checkpoint=str(tmp_path / "model.pt"), multiplier=1, spacing=4.0, direction="both"
    )
    for name, grid in (("forward", (36, 50, 34)), ("reverse", (34, 50, 34))):
        assert nib.load(tmp_path / "both" / name / "displacement_field.nii.gz").shape == (*grid, 1, 3)
    lines = read_table(tmp_path / "both" / "summary.csv")[1]
    for name, line in zip(("forward", "reverse"), lines, strict=True):
        record = read_record(tmp_path / "both" / name)["inverse_consistency"]
        assert 0 < record["median_mm"] <= record["max_mm"]
        assert float(line["inverse_median_mm"]) == record["median_mm"]


def test_weights_of_another_network_are_told_once(blobs: dict[str, str], tmp_path: Path) -> None:
    """Before any pair is looked at, and not pair by pair."""
    given = {"datalist": [blobs, blobs], "multiplier": 3}
    with pytest.raises(ValueError, match=r"^The weights in .*model\.pt do not fit the network: \d+ of \d+ are missing"):
        register(tmp_path / "result", **given)
    assert not (tmp_path / "result").exists()


def test_absent_weights_are_told(blobs: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no trained weights at .*absent\.pt: give --checkpoint"):
        register(tmp_path / "result", **blobs, checkpoint=str(tmp_path / "absent.pt"))
