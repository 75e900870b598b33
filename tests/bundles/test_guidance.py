"""Registrations that labels, key points or a segmentation bundle steer, from files to files."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import run_inference

from common.engines import SegmenterSettings
from common.networks.nets import SegmentationUNet

BUNDLES = Path(__file__).parents[2] / "bundles"
SOLVER = BUNDLES / "abdomen_ct_self_training"
SHAPE = (32, 30, 28)
CENTERS = {"fixed": (13, 15, 14), "moving": (16, 15, 14)}
# Without texture the default is not at the end of its way.
LONG: dict[str, Any] = {"network_def#refinements": [[2, 80], [1, 20]]}


@pytest.fixture
def flat(tmp_path: Path) -> dict[str, str]:
    """Two scans of one flat box, in which an organ that nobody sees has moved; its label map and its middle."""
    places = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1)
    box = ((places > 3) & (places < np.array(SHAPE) - 4)).all(-1).astype(np.float32)
    paths = {}
    for side, center in CENTERS.items():
        organ = (np.linalg.norm(places - center, axis=-1) < 6).astype(np.uint8)
        for kind, array in (("image", box), ("label", organ)):
            paths[f"{side}_{kind}"] = str(tmp_path / f"{side}_{kind}.nii.gz")
            nib.save(nib.Nifti1Image(array, np.eye(4)), paths[f"{side}_{kind}"])
        paths[f"{side}_keypoints"] = str(tmp_path / f"{side}.csv")
        lps = np.array(center) * [-1, -1, 1]
        Path(paths[f"{side}_keypoints"]).write_text("x,y,z\n" + ",".join(map(str, lps)) + "\n")
    return paths


def register(flat: dict[str, str], output_dir: Path, bundle: Path = SOLVER, **options: object) -> dict:
    return run_inference(bundle, output_dir, initial_transform="none", device="cpu", **flat, **options)


def test_what_guides_is_followed_and_marked(flat: dict[str, str], tmp_path: Path) -> None:
    """The scans alone say that nothing moved, and each guide alone says what did."""
    alone = register(flat, tmp_path / "alone")
    assert alone["dice"]["after"] == alone["dice"]["before"]
    assert "guided" not in alone["dice"]
    by_labels = register(flat, tmp_path / "labels", guide="labels")
    assert by_labels["dice"]["after"] > 0.95
    assert by_labels["dice"]["guided"]
    assert by_labels["hd95_mm"]["guided"]
    assert by_labels["tre_mm"]["after"] < 0.5 * by_labels["tre_mm"]["before"]
    assert "guided" not in by_labels["tre_mm"]
    by_both = register(flat, tmp_path / "both", guide=["labels", "keypoints"], **LONG)
    assert by_both["tre_mm"]["after"] < 0.5
    assert by_both["tre_mm"]["guided"]
    assert by_both["settings"]["guide"] == ["labels", "keypoints"]


def test_key_points_guide_and_labels_measure(flat: dict[str, str], tmp_path: Path) -> None:
    metrics = register(flat, tmp_path / "points", guide="keypoints", **LONG)
    assert metrics["tre_mm"]["after"] < 0.5
    assert metrics["dice"]["after"] > metrics["dice"]["before"] + 0.1
    assert "guided" not in metrics["dice"]


def test_a_segmenter_is_recorded_and_changes_the_field(flat: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "segmenter"
    folder.mkdir()
    torch.manual_seed(0)
    torch.save(SegmentationUNet(classes=3, multiplier=1, convolutions=(1,)).state_dict(), folder / "model.pt")
    SegmenterSettings(folder, windows=None, spacing=[2.0] * 3, spatial_size=[16] * 3, region="foreground").write()
    noisy = nib.load(flat["moving_image"])
    array = noisy.get_fdata() + np.random.default_rng(0).random(SHAPE)
    nib.save(nib.Nifti1Image(array.astype(np.float32), np.eye(4)), flat["moving_image"])
    with_it = register(flat, tmp_path / "with", features="segmentation", segmenter=str(folder))
    without = register(flat, tmp_path / "without")
    assert with_it["segmenter"]["sha256"]
    assert with_it["sdlogj"] != without["sdlogj"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": "segmentation"}, "--features segmentation and --segmenter, .* need one another"),
        ({"segmenter": "absent"}, "--features segmentation and --segmenter, .* need one another"),
        ({"features": "segmentation", "segmenter": "absent"}, "There is no folder absent, which --segmenter names"),
        ({"features": "random"}, r"--features random is of the network in the overlay configs/variants/paper\.json"),
        ({"guide": "masks"}, "--guide is expected to be one or both of labels, keypoints, got masks"),
        ({"guide": "labels", "fixed_label": None}, "--guide labels needs those of both scans, .* no fixed_label"),
    ],
)
def test_unusable_guides_are_one_sentence(flat: dict, tmp_path: Path, options: dict, message: str) -> None:
    given = {**flat, **options}
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        register({key: value for key, value in given.items() if value is not None}, tmp_path / "result")
    assert not (tmp_path / "result" / "metrics.json").exists()


def test_a_learned_bundle_is_optimized_and_measured_beside_its_network(flat: dict[str, str], tmp_path: Path) -> None:
    bundle = BUNDLES / "hippocampus_mr_symmetric"
    options = {"guide": "labels", "samples": 1, "residual_weight": 0.0}
    metrics = register(flat, tmp_path / "optimized", bundle, instance_iterations=20, **options)
    assert metrics["dice"]["after"] > metrics["network_alone"]["dice"] + 0.05
    assert set(metrics["network_alone"]) > {"dice", "hd95_mm", "tre_mm", "similarity", "folding_percent", "sdlogj"}
    with pytest.raises(ValueError, match=r"guides its optimization: set --instance_iterations"):
        register(flat, tmp_path / "network", bundle, **options)
    assert "network_alone" not in json.loads((tmp_path / "optimized" / "metrics.json").read_text())["dice"]
