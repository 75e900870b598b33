"""Training a bundle, as from the command line: every overlay, resumed runs, two processes."""

import json
import sys
from pathlib import Path
from typing import Any

import monai
import nibabel as nib
import pytest
import torch
from bundle_runs import QUIET, rows, run_by_two, run_training, weights
from monai.bundle import ConfigWorkflow
from monai.bundle.utils import DEFAULT_HANDLERS_ID
from monai.fl.client import MonaiAlgo

REPOSITORY = Path(__file__).parents[2]
BUNDLE = REPOSITORY / "bundles" / "hippocampus_mr_symmetric"
CONFIGS = BUNDLE / "configs"
VARIANTS = sorted({path.stem for path in (CONFIGS / "variants").glob("*.json")} - {"hippocampus_segmentation"})
TINY = {
    "spatial_size": [16, 16, 32],
    "batch_size": 2,
    "epochs": 2,
    "val_interval": 1,
    "num_workers": 0,
    "device": "cpu",
    "spacing": [15.0, 15.0, 12.0],
    "labels": list(range(1, 14)),
}


def narrow(*overlays: str) -> dict[str, Any]:
    """A small network of the overlays."""
    return {"widths": [4, 6, 8]} if "variants/pyramid" in overlays else {"multiplier": 1}


def train(cases: Path, output_dir: Path, *overlays: str, **options: Any) -> ConfigWorkflow:
    options = {**TINY, **narrow(*overlays), "dataset_dir": str(cases), **options}
    return run_training(BUNDLE, output_dir, "train", *overlays, **options)


@pytest.mark.filterwarnings("ignore:executing the bundle config:UserWarning")
def test_federated_client_finds_its_bundle(cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = {name: value for name, value in (TINY | narrow()).items() if name != "epochs"}  # those are the server's
    client: Any = MonaiAlgo(
        bundle_root=str(BUNDLE),
        train_kwargs={**options, "dataset_dir": str(cases), "output_dir": str(tmp_path)},
        config_evaluate_filename=None,
    )
    client.initialize()
    assert client.trainer.state.max_epochs == 1
    assert client.train_workflow.bundle_root == str(BUNDLE)


def test_training_writes_what_it_promises(cases: Path, tmp_path: Path) -> None:
    workflow = train(cases, tmp_path)
    assert workflow.check_properties() == []
    lines = rows(tmp_path / "metrics.csv")
    assert [line["epoch"] for line in lines] == ["1", "2"]
    assert {"similarity", "overlap", "regularization", "loss", "val_dice", "val_sdlogj"} <= set(lines[0])
    assert (tmp_path / "validation_epoch=2.png").stat().st_size > 10_000
    assert list(tmp_path.glob("events.out.tfevents*"))
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["checkpoint_epoch=1.pt", "checkpoint_epoch=2.pt", "model.pt"]


def test_resumed_training_is_the_uninterrupted_one(cases: Path, tmp_path: Path) -> None:
    schedule = {"learning_rate_schedule#over": 2}
    train(cases, tmp_path / "whole", **schedule)
    train(cases, tmp_path / "parts", epochs=1, **schedule)
    train(cases, tmp_path / "parts", resume=True, **schedule)
    whole, parts = (weights(tmp_path / way) for way in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_evaluation_writes_every_pair(cases: Path, tmp_path: Path) -> None:
    train(cases, tmp_path / "trained", epochs=1)
    checkpoint = str(tmp_path / "trained" / "checkpoints" / "model.pt")
    train(cases, tmp_path / "evaluated", "evaluate", checkpoint=checkpoint)
    lines = rows(tmp_path / "evaluated" / "pairs.csv")
    assert len(lines) == 1  # every tenth of six cases
    assert float(lines[0]["dice_after"]) <= 1
    summary = {line["metric"]: line for line in rows(tmp_path / "evaluated" / "evaluation.csv")}
    assert set(summary) >= {"dice_before", "dice_after", "dice30_after", "hd95_mm_after", "folding_percent", "sdlogj"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_runs(cases: Path, tmp_path: Path, variant: str) -> None:
    options: dict = {"epochs": 1}
    if variant == "pretrained":
        train(cases, tmp_path / "pretraining", "variants/no_labels", epochs=1)
        options["pretraining_dir"] = str(tmp_path / "pretraining")
    if variant == "abdomen_ct":
        options |= {"whole_size": [16, 16, 32], "windows": [[3000, 500]] * 3}
    train(cases, tmp_path, f"variants/{variant}", **options)
    assert float(rows(tmp_path / "metrics.csv")[0]["loss"]) < 10


@pytest.mark.parametrize("overlays", [["paper"], ["paper", "abdomen_ct"], ["paper", "mse"], ["pyramid"]], ids="-".join)
def test_weights_register_as_they_were_trained(cases: Path, tmp_path: Path, overlays: list[str]) -> None:
    names = [f"variants/{name}" for name in overlays]
    train(cases, tmp_path, *names, epochs=1, **({"whole_size": [16, 16, 32]} if "abdomen_ct" in overlays else {}))
    scans = {f"{side}_image": str(cases / "images" / f"case0{side}.nii.gz") for side in ("fixed", "moving")}
    monai.bundle.run(
        config_file=[str(CONFIGS / f"{name}.json") for name in ("inference", *names)],
        logging_file=QUIET,
        bundle_root=str(BUNDLE),
        output_dir=str(tmp_path / "result"),
        checkpoint=str(tmp_path / "checkpoints" / "model.pt"),
        spacing=8.0,
        largest_extent_mm=1000,
        **narrow(*names),
        **scans,
    )
    assert json.loads((tmp_path / "result" / "metrics.json").read_text())["folding_percent"] == 0
    # all of the scan, to its last slice
    assert nib.load(tmp_path / "result" / "displacement_field.nii.gz").shape[:3] == nib.load(scans["fixed_image"]).shape


def test_tracking_takes_the_loss_as_monai_does(cases: Path, tmp_path: Path) -> None:
    """What `--tracking mlflow` adds to the handlers, with a handler that needs no further package."""
    handler = {
        "_target_": "StatsHandler",
        "name": "tracked",
        "output_transform": "$monai.handlers.from_engine(['loss'], first=True)",
    }
    settings = {"handlers_id": DEFAULT_HANDLERS_ID, "configs": {"trainer": handler, "save_execute_config": False}}
    workflow = train(cases, tmp_path, epochs=1, tracking=settings)
    assert isinstance(workflow.trainer.state.output[0]["loss"], float)


def train_by_two(cases: Path, output_dir: Path, *overlays: str, **options: Any) -> None:
    run_by_two(
        BUNDLE, output_dir, "train", *overlays, **{**TINY, **narrow(*overlays), "dataset_dir": str(cases), **options}
    )


posix = pytest.mark.skipif(sys.platform == "win32", reason="gloo needs a POSIX system here")


@posix
def test_two_processes_are_one_with_the_doubled_batch(cases: Path, tmp_path: Path) -> None:
    names = [path.name for path in sorted((cases / "images").iterdir())][:4]
    listed = [{"image": f"images/{name}", "label": f"labels/{name}"} for name in names]
    (cases / "four.json").write_text(json.dumps({"training": listed, "validation": listed[:2]}))
    # Adam would blow up the rounding of gradients that are nearly zero, as those of the first steps are; and so would
    # an instance normalization over two voxels
    descent = {"_target_": "torch.optim.SGD", "params": "$@network.parameters()", "lr": 0.001}
    common = {"datalist": str(cases / "four.json"), "epochs": 2, "optimizer": descent, "spatial_size": [32, 32, 32]}
    train(cases, tmp_path / "one", **common)
    train_by_two(cases, tmp_path / "two", "multi_gpu_train", **common, batch_size=1)
    one, two = (weights(tmp_path / way) for way in ("one", "two"))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-3, atol=1e-4)
    first, second = (rows(tmp_path / way / "metrics.csv")[-1] for way in ("one", "two"))
    assert float(first["val_dice"]) == pytest.approx(float(second["val_dice"]), abs=0.01)


@posix
def test_two_processes_evaluate_as_one(cases: Path, tmp_path: Path) -> None:
    train(cases, tmp_path / "trained", epochs=1, learning_rate=0.05)
    listed = [{"image": f"images/case{n}fixed.nii.gz", "label": f"labels/case{n}fixed.nii.gz"} for n in range(3)]
    (cases / "three.json").write_text(json.dumps({"training": listed, "validation": listed}))
    options = {
        "datalist": str(cases / "three.json"),
        "checkpoint": str(tmp_path / "trained" / "checkpoints" / "model.pt"),
    }
    train(cases, tmp_path / "one", "evaluate", **options)
    train_by_two(cases, tmp_path / "two", "multi_gpu_train", "evaluate", **options)
    one, two = ({line["pair"]: line for line in rows(tmp_path / way / "pairs.csv")} for way in ("one", "two"))
    assert len(one) == 3
    assert one.keys() == two.keys()
    for pair, line in one.items():
        assert float(line["dice_after"]) != float(line["dice_before"])  # the weights do something
        for column in set(line) - {"pair", "error"}:
            assert float(two[pair][column]) == pytest.approx(float(line[column]), abs=1e-4)
