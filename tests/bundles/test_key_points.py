"""Registering key points with the self-training bundle, as from the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from bundle_runs import rows, run_training
from monai.bundle import ConfigWorkflow, run

from common.io import InputError, format_points
from common.networks.nets import PointRegistrationNet

BUNDLE = Path(__file__).parents[2] / "bundles" / "abdomen_ct_self_training"
LIMIT = 2**20  # bytes
OVERLAYS = sorted(path.stem for path in (BUNDLE / "configs" / "variants").glob("*_keypoints.json"))


def register(output_dir: Path, **options: Any) -> Path:
    config = str(BUNDLE / "configs" / "inference_keypoints.json")
    options |= {"bundle_root": str(BUNDLE), "output_dir": str(output_dir), "device": "cpu", "logging_file": False}
    run(config_file=config, **options)
    return output_dir


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "model.pt"
    torch.save(PointRegistrationNet().state_dict(), path)
    return str(path)


@pytest.fixture
def clouds(tmp_path: Path) -> dict[str, str]:
    """Two clouds in another order, of which the second is stretched, and moved by 30 mm."""
    torch.manual_seed(0)
    points = torch.rand(120, 3, dtype=torch.float64) * 120
    moved = {"fixed_cloud": points, "moving_cloud": points.flip(0) * 1.05 + 30}
    moved |= {"fixed_keypoints": points[:9], "moving_keypoints": points[:9] * 1.05 + 30}
    for name, each in moved.items():
        (tmp_path / f"{name}.csv").write_text(format_points("points.csv", each))
    return {name: str(tmp_path / f"{name}.csv") for name in moved}


def test_two_files_of_points_are_registered(clouds: dict[str, str], checkpoint: str, tmp_path: Path) -> None:
    folder = register(tmp_path / "out", checkpoint=checkpoint, spacing=[6.0, 6.0, 6.0], **clouds)
    record = json.loads((folder / "metrics.json").read_text())
    assert record["tre_mm"]["after"] < 0.5 * record["tre_mm"]["before"]
    assert len((folder / "displaced_cloud.csv").read_text().splitlines()) == 121
    assert set(record["inputs"]) == set(clouds)
    assert set(record["files"]) == {"displacement_field.nii.gz", "displaced_cloud.csv", "report.png"} | {
        "warped_keypoints.csv"
    }
    assert all((folder / name).is_file() for name in record["files"])


def test_a_list_of_points_is_registered_and_not_again(clouds: dict[str, str], checkpoint: str, tmp_path: Path) -> None:
    pairs = [clouds, {key: clouds[key] for key in ("fixed_cloud", "moving_cloud")}]
    (tmp_path / "pairs.json").write_text(json.dumps(pairs))
    options: dict[str, Any] = {
        "checkpoint": checkpoint,
        "spacing": [6.0, 6.0, 6.0],
        "datalist": str(tmp_path / "pairs.json"),
    }
    folder = register(tmp_path / "out", **options)
    summary = rows(folder / "summary.csv")
    assert [row["error"] for row in summary] == ["", ""]
    assert [bool(row["tre_mm_after"]) for row in summary] == [True, False]
    stamp = (folder / summary[0]["pair"] / "metrics.json").stat().st_mtime_ns
    register(tmp_path / "out", **options)
    assert (folder / summary[0]["pair"] / "metrics.json").stat().st_mtime_ns == stamp


def test_key_points_are_found_in_two_scans(checkpoint: str, phantom: dict[str, str], tmp_path: Path) -> None:
    scans = {key: value for key, value in phantom.items() if "keypoints" not in key}
    options: dict[str, Any] = {"checkpoint": checkpoint, "search_spacing": [5.0] * 3, **scans}
    folder = register(tmp_path / "out", spacing=[5.0] * 3, **options)
    record = json.loads((folder / "metrics.json").read_text())
    assert {"similarity", "dice", "sdlogj"} <= set(record)
    for name in ("report.png", "warped_image.nii.gz", "displaced_cloud.csv"):
        assert (folder / name).is_file()
    coarser = register(tmp_path / "coarser", spacing=[8.0] * 3, **options)
    assert (coarser / "displaced_cloud.csv").read_bytes() == (folder / "displaced_cloud.csv").read_bytes()


def test_shipped_weights_register_the_built_in_chest(tmp_path: Path) -> None:
    weights = BUNDLE / "models" / "key_points" / "model.pt"
    assert weights.stat().st_size < LIMIT
    trained = json.loads((register(tmp_path) / "metrics.json").read_text())
    assert trained["weights"]["file"].endswith("key_points/model.pt")
    assert trained["tre_mm"]["after"] < 0.85 * trained["tre_mm"]["before"]


def test_without_weights_nothing_is_registered(clouds: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There are no trained weights at .*none\.pt"):
        register(tmp_path / "out", checkpoint=str(tmp_path / "none.pt"), **clouds)


def test_half_a_pair_of_clouds_is_refused(clouds: dict[str, str], checkpoint: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"A pair needs fixed_cloud and moving_cloud, but .* gives no moving_cloud"):
        register(tmp_path / "out", checkpoint=checkpoint, fixed_cloud=clouds["fixed_cloud"])


TINY: dict[str, Any] = {
    "stages": 2,
    "epochs_per_stage": 2,
    "milestones": [1, 2],
    "pairs_per_epoch": 2,
    "batch_size": 2,
    "points": [90, 100],
    "val_interval": 2,
    "device": "cpu",
}


def train(clouds: dict[str, str], folder: Path, *overlays: str, **options: Any) -> ConfigWorkflow:
    for name in ("training", "validation"):
        (folder / f"{name}.json").write_text(json.dumps([clouds]))
    lists = {"datalist": "training", "validation_datalist": "validation"}
    files = {option: str(folder / f"{name}.json") for option, name in lists.items()}
    return run_training(BUNDLE, folder / "train", "train_keypoints", *overlays, **{**TINY, **files, **options})


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_strategy_trains(clouds: dict[str, str], tmp_path: Path, overlay: str) -> None:
    workflow = train(clouds, tmp_path, f"variants/{overlay}", stages=1)
    assert workflow.check_properties() == []
    [first, last] = rows(tmp_path / "train" / "metrics.csv")
    assert 0 < float(last["loss"]) < 1
    assert float(last["loss"]) != float(first["loss"])
    assert float(last["val_tre_mm"]) > 0
    assert (tmp_path / "train" / "pseudo_labels").exists() == (overlay == "small_keypoints")


def test_evaluation_measures_every_pair(clouds: dict[str, str], checkpoint: str, tmp_path: Path) -> None:
    """And as the inference with the same weights does, but for the grid between the points."""
    (tmp_path / "pairs.json").write_text(json.dumps([clouds, {**clouds, "moving_cloud": clouds["fixed_cloud"]}]))
    options: dict[str, Any] = {"checkpoint": checkpoint, "device": "cpu"}
    files = ("train_keypoints", "evaluate_keypoints")
    run_training(BUNDLE, tmp_path / "eval", *files, validation_datalist=str(tmp_path / "pairs.json"), **options)
    pairs = rows(tmp_path / "eval" / "pairs.csv")
    assert [row["pair"] for row in pairs] == ["1_fixed_cloud_moving_cloud", "2_fixed_cloud_fixed_cloud"]
    means = {row["metric"]: float(row["mean"]) for row in rows(tmp_path / "eval" / "evaluation.csv")}
    for metric in ("tre_mm", "tre_before_mm"):
        values = [float(row[metric]) for row in pairs]
        assert means[metric] == pytest.approx(sum(values) / 2, rel=1e-4)
    options |= {"initial_transform": "none", "spacing": [3.0] * 3, "datalist": str(tmp_path / "pairs.json")}
    summary = rows(register(tmp_path / "out", **options) / "summary.csv")
    for row, other in zip(pairs, summary, strict=True):
        assert row["pair"] == other["pair"]
        assert float(row["tre_before_mm"]) == pytest.approx(float(other["tre_mm_before"]), rel=1e-3)
        assert float(row["tre_mm"]) == pytest.approx(float(other["tre_mm_after"]), abs=0.5)


def test_a_validation_needs_landmarks(clouds: dict[str, str], tmp_path: Path) -> None:
    alone = {key: clouds[key] for key in ("fixed_cloud", "moving_cloud")}
    with pytest.raises(InputError, match="measured by its landmarks, but 1_fixed_cloud_moving_cloud has no fixed_keyp"):
        train(alone, tmp_path)


def test_a_training_makes_weights_that_register(clouds: dict[str, str], tmp_path: Path) -> None:
    workflow = train(clouds, tmp_path)
    assert workflow.check_properties() == []
    [*_, last] = rows(tmp_path / "train" / "metrics.csv")
    assert float(last["val_tre_mm"]) < float(last["val_tre_before_mm"])
    assert last["stage"] == "2"
    best = tmp_path / "train" / "checkpoints" / "model.pt"
    folder = register(tmp_path / "out", checkpoint=str(best), spacing=[6.0, 6.0, 6.0], **clouds)
    assert (folder / "metrics.json").is_file()
