"""Training the progressive bundle, as from the command line: every overlay, resumed runs, the growth of the network."""

import json
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import pytest
import torch
from bundle_runs import rows, run_by_two, run_training, weights
from monai.bundle import ConfigParser, ConfigWorkflow

from common.handlers import pack_weights, progressive_levels
from common.io import read_weights
from common.networks.nets import DisplacementUNet
from common.phantoms import chest_phantom

BUNDLE = Path(__file__).parents[2] / "bundles" / "lung_ct_progressive"
CONFIGS = BUNDLE / "configs"
TINY = {
    "spatial_size": [32, 32, 32],
    "spacing": [10.0, 8.0, 10.0],
    "base_channels": 2,
    "pairs_per_epoch": 4,
    "validation_pairs": 2,
    "epochs": 2,
    "val_interval": 1,
    "device": "cpu",
}
VARIANTS = {path.stem for path in (CONFIGS / "variants").glob("*.json")}
# Rows of Table IV of the paper: thousands of iterations of a transition, and of a level
TABLE_IV = {"baseline": (0, 0), "square": (0, 4), "short": (1, 3), "triangular": (2, 4), "long": (4, 12)}
QUICK = {"transition": 2, "duration": 4}


@pytest.fixture(scope="session")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both phases of a coarse chest, and the list of a training."""
    folder = tmp_path_factory.mktemp("scans")
    pair = chest_phantom((56, 40, 48), (6.4, 6.3, 5.6))
    for side in ("fixed", "moving"):
        nib.save(nib.Nifti1Image(getattr(pair, f"{side}_image"), pair.fixed_affine), folder / f"{side}.nii.gz")
    parts = {"training": ["fixed", "moving"], "validation": ["moving"]}
    split = {part: [{"image": f"{name}.nii.gz"} for name in names] for part, names in parts.items()}
    (folder / "split.json").write_text(json.dumps(split))
    return folder


def train(scans: Path, output_dir: Path, *overlays: str, **options: Any) -> ConfigWorkflow:
    given: dict[str, Any] = {**TINY, "dataset_dir": str(scans), "datalist": str(scans / "split.json"), **options}
    return run_training(BUNDLE, output_dir, "train", *overlays, **given)


def test_training_writes_what_it_promises(scans: Path, tmp_path: Path) -> None:
    workflow = train(scans, tmp_path, **QUICK)
    assert workflow.check_properties() == []
    lines = rows(tmp_path / "metrics.csv")
    assert {"field", "loss", "val_tre_mm", "val_folding_percent", "val_sdlogj"} <= set(lines[0])
    assert lines[0]["val_tre_before_mm"] == lines[1]["val_tre_before_mm"]  # the same pairs at every validation
    assert (tmp_path / "validation_epoch=2.png").stat().st_size > 10_000


@pytest.mark.skipif(sys.platform == "win32", reason="gloo needs a POSIX system here")
def test_two_processes_train_with_a_single_validation_pair(scans: Path, tmp_path: Path) -> None:
    given: dict[str, Any] = {**TINY, **QUICK, "validation_pairs": 1, "batch_size": 1, "dataset_dir": str(scans)}
    run_by_two(BUNDLE, tmp_path, "train", "multi_gpu_train", datalist=str(scans / "split.json"), **given)
    assert [float(line["val_tre_mm"]) > 0 for line in rows(tmp_path / "metrics.csv")] == [True, True]


def test_snapshots_of_every_epoch_stay(scans: Path, tmp_path: Path) -> None:
    """For the curve of figure 5B: weights alone, whatever the checkpoints keep."""
    train(scans, tmp_path, "variants/snapshots", **QUICK)
    names = {path.name for path in (tmp_path / "snapshots").iterdir()}
    assert names == {"network_epoch=1.pt", "network_epoch=2.pt"}
    last = read_weights(tmp_path / "snapshots" / "network_epoch=2.pt")
    assert all(torch.equal(value, last[name]) for name, value in weights(tmp_path).items())


def test_resumed_training_is_the_uninterrupted_one(scans: Path, tmp_path: Path) -> None:
    train(scans, tmp_path / "whole", **QUICK)
    train(scans, tmp_path / "parts", epochs=1, **QUICK)
    train(scans, tmp_path / "parts", resume=True, **QUICK)
    whole, parts = (weights(tmp_path / way) for way in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_all_schedules_begin_alike_and_see_the_same_pairs(scans: Path, tmp_path: Path) -> None:
    starts, fields = [], []
    for name, overlays, options in (("growing", (), QUICK), ("baseline", ("variants/baseline",), {})):
        workflow = train(scans, tmp_path / name, *overlays, run=False, **options)
        network = workflow.parser.get_parsed_content("network_def")
        starts.append({key: value.clone() for key, value in network.state_dict().items()})
        known: list[torch.Tensor] = []
        workflow.trainer.loss_function.register_forward_pre_hook(
            lambda _, inputs, known=known: known.append(inputs[1]["known_ddf"] * inputs[1]["fixed_image"])
        )
        workflow.run()
        fields.append(torch.stack(known))
    assert all(torch.equal(starts[0][key], starts[1][key]) for key in starts[0])
    assert len(fields[0]) == 8
    assert torch.equal(fields[0], fields[1])


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_every_variant_runs(scans: Path, tmp_path: Path, variant: str) -> None:
    workflow = train(scans, tmp_path, f"variants/{variant}", epochs=1, val_interval=2)
    assert float(rows(tmp_path / "metrics.csv")[0]["loss"]) < 1000
    if variant in TABLE_IV:
        transition, duration = (250 * thousands for thousands in TABLE_IV[variant])
        alpha = workflow.parser.get_parsed_content("network_def").alpha
        assert alpha == progressive_levels(4, levels=4, transition=transition, duration=duration)


@pytest.mark.parametrize(("overlays", "thousand"), [((), 250), (("paper",), 1000)])
def test_table_iv_is_complete(overlays: tuple[str, ...], thousand: int) -> None:
    assert set(TABLE_IV) <= VARIANTS
    for variant, row in {**TABLE_IV, "unsupervised": (2, 6)}.items():
        parser = ConfigParser()
        parser.read_config(
            [
                str(CONFIGS / "train.json"),
                *(str(CONFIGS / "variants" / f"{name}.json") for name in (*overlays, variant)),
            ]
        )
        found = parser.get_parsed_content("transition"), parser.get_parsed_content("duration")
        assert found == (row[0] * thousand, row[1] * thousand)


def test_training_makes_what_inference_registers() -> None:
    train, inference = (json.loads((CONFIGS / f"{name}.json").read_text()) for name in ("train", "inference"))
    for name in ("spatial_size", "spacing", "base_channels", "levels", "sigma"):
        assert train[name] == inference[name], name


@pytest.mark.parametrize("packed", [False, True])
def test_evaluation_takes_weights_with_and_without_the_layers_of_the_training(
    scans: Path, tmp_path: Path, packed: bool
) -> None:
    train(scans, tmp_path / "trained", epochs=1, **QUICK)
    checkpoint = tmp_path / "trained" / "checkpoints" / "model.pt"
    if packed:
        pack_weights({"": checkpoint}, tmp_path / "packed.pt")
        checkpoint = tmp_path / "packed.pt"
        plain = DisplacementUNet(base_channels=2, levels=4)
        plain.load_state_dict(torch.load(checkpoint, weights_only=True))  # strictly
    train(scans, tmp_path / "evaluated", "evaluate", checkpoint=str(checkpoint), validation_pairs=3)
    lines = rows(tmp_path / "evaluated" / "pairs.csv")
    assert [line["pair"] for line in lines] == ["moving_0", "moving_1", "moving_2"]
    assert float(lines[0]["tre_before_mm"]) > 5
