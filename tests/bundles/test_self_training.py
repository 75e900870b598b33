"""Self-training of the abdominal bundle, as from the command line: stages, overlays, killed runs, two processes."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bundle_runs import rows, run_by_two, run_training, weights
from monai.bundle import ConfigWorkflow
from torch import Tensor

from common.__main__ import pack
from common.handlers import SelfTrainingCycle

BUNDLE = Path(__file__).parents[2] / "bundles" / "abdomen_ct_self_training"
CONFIGS = BUNDLE / "configs"
TINY = {
    "stages": 2,
    "epochs_per_stage": 1,
    "pairs_per_epoch": 4,
    "label_pairs": 3,
    "validation_pairs": 1,
    "widths": [2, 3, 4, 4, 4],
    "label_instance_iterations": 2,
    "instance_iterations": 2,
    "margin": 1,
    "spatial_size": [16, 16, 32],
    "spacing": [15.0, 15.0, 12.0],
    "device": "cpu",
}
OVERLAYS = sorted(  # of train.json, not of inference.json
    path.stem
    for path in (CONFIGS / "variants").glob("*.json")
    if path.stem not in ("paper", "multimodal") and not path.stem.endswith("_keypoints")
)


def train(cases: Path, output_dir: Path, *overlays: str, **options: Any) -> ConfigWorkflow:
    return run_training(BUNDLE, output_dir, "train", *overlays, **{**TINY, "dataset_dir": str(cases), **options})


def labels(folder: Path, stage: int) -> dict[str, np.ndarray]:
    return {path.name: np.load(path) for path in (folder / "pseudo_labels" / f"stage={stage}").iterdir()}


def assert_same_weights(first: Path, second: Path) -> None:
    one, two = weights(first), weights(second)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_training_writes_what_it_promises(cases: Path, tmp_path: Path) -> None:
    workflow = train(cases, tmp_path)
    assert workflow.check_properties() == []
    lines = rows(tmp_path / "metrics.csv")
    assert [line["stage"] for line in lines] == ["1", "2"]
    assert {"field", "loss", "refresh_seconds", "val_dice", "val_sdlogj"} <= set(lines[0])
    assert all(float(line["val_dice"]) <= 1 for line in lines)
    assert len(labels(tmp_path, 0)) == len(labels(tmp_path, 1)) == 3
    assert (tmp_path / "validation_epoch=2.png").stat().st_size > 10_000
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["checkpoint_epoch=1.pt", "checkpoint_epoch=2.pt", "model.pt"]


def test_resumed_training_is_the_uninterrupted_one(cases: Path, tmp_path: Path) -> None:
    train(cases, tmp_path / "whole")
    train(cases, tmp_path / "parts", stages=1)
    train(cases, tmp_path / "parts", resume=True)
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")


def test_training_killed_while_it_makes_labels_is_the_uninterrupted_one(
    cases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(cases, tmp_path / "whole")
    label, made = SelfTrainingCycle.label, []

    def killed(cycle: SelfTrainingCycle, image: Tensor) -> tuple[Tensor, float]:
        made.append(image)
        if len(made) == 5:  # of three in each stage
            raise KeyboardInterrupt
        return label(cycle, image)

    monkeypatch.setattr(SelfTrainingCycle, "label", killed)
    with pytest.raises(KeyboardInterrupt):
        train(cases, tmp_path / "parts")
    train(cases, tmp_path / "parts", resume=True)
    assert len(made) == 7  # the one that was cut off, and the last
    assert_same_weights(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_trains(cases: Path, tmp_path: Path, overlay: str) -> None:
    unwanted = json.loads((CONFIGS / "variants" / f"{overlay}.json").read_text()).keys()
    whole = {"small", "hippocampus", "all_anatomies"}  # whose sizes are not for a test
    options: dict[str, Any] = {name: value for name, value in TINY.items() if overlay in whole or name not in unwanted}
    run_training(
        BUNDLE, tmp_path, "train", f"variants/{overlay}", **{**options, "stages": 1, "dataset_dir": str(cases)}
    )
    (line,) = rows(tmp_path / "metrics.csv")
    assert float(line["loss"]) < 30
    assert (tmp_path / "pseudo_labels").exists() == (not overlay.endswith("supervision"))


def test_anatomies_train_together_each_at_its_own_spacing(cases: Path, tmp_path: Path) -> None:
    """Of two patients, so that pairs of a cohort are two of the fifteen there are; the scans have voxels of 12 mm."""
    names = [f"case{seed}{side}" for seed in (0, 1) for side in ("fixed", "moving")]
    listed = [
        {"image": f"images/{name}.nii.gz", "label": f"labels/{name}.nii.gz", "cohort": name[:5]} for name in names
    ]
    (tmp_path / "list.json").write_text(json.dumps({"training": listed, "validation": listed[:2]}))
    overlays = ("variants/small", "variants/all_anatomies")
    options: dict[str, Any] = {name: value for name, value in TINY.items() if name != "spacing"}
    options |= {"stages": 1, "spatial_size": [16, 16, 16]}
    options |= {"dataset_dir": str(cases), "datalist": str(tmp_path / "list.json")}
    workflow = run_training(BUNDLE, tmp_path / "out", "train", *overlays, **options)
    (line,) = rows(tmp_path / "out" / "metrics.csv")
    assert 0 <= float(line["val_dice"]) <= 1
    assert len(labels(tmp_path / "out", 0)) == 2
    pair = workflow.parser.get_parsed_content("train#pairs")[0]
    assert pair["fixed_image"].pixdim.tolist() == pytest.approx([12.0] * 3)


def test_overlays_change_what_they_say(cases: Path, tmp_path: Path) -> None:
    """Labels that are not refined are those of a single warp, and then no pair is harder than another."""
    plain = {name: value for name, value in TINY.items() if name != "label_instance_iterations"}
    options: dict[str, Any] = {**plain, "stages": 1, "dataset_dir": str(cases)}
    run_training(BUNDLE, tmp_path, "train", "variants/no_refinement", **options)
    assert all(record["difficulty"] == 0 for record in labels(tmp_path, 0).values())


def test_evaluation_writes_every_pair(cases: Path, tmp_path: Path) -> None:
    train(cases, tmp_path / "trained", stages=1)
    checkpoint = str(tmp_path / "trained" / "checkpoints" / "model.pt")
    train(cases, tmp_path / "evaluated", "evaluate", checkpoint=checkpoint)
    assert len(rows(tmp_path / "evaluated" / "pairs.csv")) == 1
    summary = {line["metric"] for line in rows(tmp_path / "evaluated" / "evaluation.csv")}
    assert summary >= {"dice_before", "dice_after", "hd95_mm_after", "folding_percent", "sdlogj"}


@pytest.mark.parametrize("packed", [False, True])
def test_weights_register_as_they_were_trained(cases: Path, tmp_path: Path, packed: bool) -> None:
    workflow = train(cases, tmp_path, stages=1)
    checkpoint = tmp_path / "checkpoints" / "model.pt"
    if packed:
        pack(str(tmp_path / "packed.pt"), str(tmp_path / "checkpoints"), half=True)
        checkpoint = tmp_path / "packed.pt"
    scans = {f"{side}_image": str(cases / "images" / f"case0{side}.nii.gz") for side in ("fixed", "moving")}
    tiny: dict[str, Any] = {name: TINY[name] for name in ("widths", "instance_iterations", "spacing")}
    inference = ConfigWorkflow(
        [str(CONFIGS / f"{name}.json") for name in ("inference", "variants/paper", "variants/one_warp")],
        workflow_type="infer",
        logging_file=False,
        bundle_root=str(BUNDLE),
        output_dir=str(tmp_path / "result"),
        features="trained",
        checkpoint=str(checkpoint),
        reference=False,
        device="cpu",
        **tiny,
        **scans,
    )
    inference.initialize()
    inference.run()
    assert json.loads((tmp_path / "result" / "metrics.json").read_text())["folding_percent"] == 0
    image = torch.rand(1, 1, 16, 16, 32)
    trained, loaded = (run.network_def.features.eval() for run in (workflow, inference))
    with torch.no_grad():
        torch.testing.assert_close(loaded(image), trained(image), atol=0.01 if packed else 1e-6, rtol=0)


@pytest.mark.skipif(sys.platform == "win32", reason="gloo needs a POSIX system here")
def test_two_processes_share_the_labels(cases: Path, tmp_path: Path) -> None:
    listed = [{"image": f"images/case{n}fixed.nii.gz", "label": f"labels/case{n}fixed.nii.gz"} for n in range(3)]
    (cases / "shared.json").write_text(json.dumps({"training": listed, "validation": listed}))
    data = {"datalist": str(cases / "shared.json"), "validation_pairs": 3}
    train(cases, tmp_path / "one", stages=1, **data)
    options: dict[str, Any] = {**TINY, "dataset_dir": str(cases), "batch_size": 1, **data}
    run_by_two(BUNDLE, tmp_path / "two", "train", "multi_gpu_train", **options)
    one, two = (labels(tmp_path / way, 0) for way in ("one", "two"))
    assert one.keys() == two.keys()
    assert all(one[name].tobytes() == two[name].tobytes() for name in one)
    second = labels(tmp_path / "two", 1)
    assert len(second) == 3
    assert [line["stage"] for line in rows(tmp_path / "two" / "metrics.csv")] == ["1", "2"]
    # A single process that goes on between the stages finds all of them to be made from the network it would use.
    (tmp_path / "two" / "checkpoints" / "checkpoint_epoch=2.pt").unlink()
    (tmp_path / "two" / "pseudo_labels" / "stage=1" / "pair=1.npy").unlink()
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "two" / "pseudo_labels" / "stage=1").iterdir()}
    train(cases, tmp_path / "two", resume=True, **data)
    again = labels(tmp_path / "two", 1)
    assert all(second[name].tobytes() == again[name].tobytes() for name in second)
    assert all(path.stat().st_mtime_ns == time for path, time in times.items())
