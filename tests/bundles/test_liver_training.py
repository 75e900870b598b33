"""Training the liver bundle, as from the command line: every overlay, resumed runs, evaluation of all ordered pairs."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import rows, run_inference, run_training, weights
from monai.bundle import ConfigWorkflow
from monai.networks.nets import VoxelMorphUNet

from common.data import find_cases
from common.io import InputError
from common.networks.nets import DenseSubnetwork

BUNDLE = Path(__file__).parents[2] / "bundles" / "liver_ct_curriculum"
CONFIGS = BUNDLE / "configs"
VARIANTS = {path.stem for path in (CONFIGS / "variants").glob("*.json")}
TINY = {
    "spatial_size": [32, 32, 32],
    "base_channels": 2,
    "levels": 4,
    "batch_size": 2,
    "pairs_per_epoch": 4,
    "validation_pairs": 2,
    "epochs": 2,
    "val_interval": 1,
    "num_workers": 0,
    "device": "cpu",
}
TERMS = {"similarity", "smoothness", "determinant", "orthogonality", "loss"}


@pytest.fixture(scope="session")
def livers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Crops as `prepare` writes them, with a list of them."""
    folder = tmp_path_factory.mktemp("livers")
    places = np.stack(np.meshgrid(*[np.linspace(-1, 1, 32)] * 3, indexing="ij"))
    parts = {"training": 3, "validation": 2, "evaluation": 3}
    listed: dict[str, list] = {}
    for part, count in parts.items():
        for number in range(count):
            random = np.random.default_rng([len(part), number])
            radii, shift = random.uniform(0.5, 0.8, (3, 1, 1, 1)), random.uniform(-0.15, 0.15, (3, 1, 1, 1))
            liver = (((places - shift) / radii) ** 2).sum(0) < 1
            image = np.where(liver, 110, 0) + random.normal(0, 10, liver.shape)
            case = {kind: f"{kind}s/{part}{number}.nii.gz" for kind in ("image", "label")}
            for kind, array in (("image", image.astype(np.int16)), ("label", liver.astype(np.uint8))):
                (folder / f"{kind}s").mkdir(exist_ok=True)
                nib.save(nib.Nifti1Image(array, np.diag([5.0, 4.0, 6.0, 1.0])), folder / case[kind])
            listed.setdefault(part, []).append(case)
    (folder / "dataset.json").write_text(json.dumps(listed))
    return folder


def train(livers: Path, output_dir: Path, *overlays: str, **options: Any) -> ConfigWorkflow:
    given: dict[str, Any] = {**TINY, "dataset_dir": str(livers), "datalist": str(livers / "dataset.json"), **options}
    return run_training(BUNDLE, output_dir, "train", *overlays, **given)


def test_training_writes_what_it_promises(livers: Path, tmp_path: Path) -> None:
    workflow = train(livers, tmp_path)
    assert workflow.check_properties() == []
    lines = rows(tmp_path / "metrics.csv")
    assert {*TERMS, "val_dice", "val_jaccard", "val_folding_percent", "val_sdlogj"} <= set(lines[0])
    assert (tmp_path / "validation_epoch=2.png").stat().st_size > 10_000


def test_training_brings_livers_together(livers: Path, tmp_path: Path) -> None:
    train(livers, tmp_path, pairs_per_epoch=6, batch_size=1, epochs=12, val_interval=12, learning_rate=0.002)
    similarity = [float(line["similarity"]) for line in rows(tmp_path / "metrics.csv")]
    assert min(similarity[-2:]) < similarity[0] - 0.05


def test_resumed_training_is_the_uninterrupted_one(livers: Path, tmp_path: Path) -> None:
    train(livers, tmp_path / "whole")
    train(livers, tmp_path / "parts", epochs=1)
    train(livers, tmp_path / "parts", resume=True)
    whole, parts = (weights(tmp_path / way) for way in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_crop_of_the_right_size_is_taken_voxel_by_voxel(livers: Path, tmp_path: Path) -> None:
    workflow = train(livers, tmp_path, run=False)
    pair = workflow.parser.get_parsed_content("train#dataset")[0]
    stored = nib.load(find_cases(livers, livers / "dataset.json")["training"][0]["image"]).get_fdata()
    images = [image.as_tensor()[0] for image in (pair["fixed_image"], pair["moving_image"])]
    windowed = np.clip(stored, -25, 265)
    expected = torch.from_numpy((windowed - windowed.min()) / np.ptp(windowed)).float()
    name = "training0"
    assert name in pair["pair"]
    torch.testing.assert_close(images[0 if pair["pair"].startswith(name) else 1], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_every_variant_runs(livers: Path, tmp_path: Path, variant: str) -> None:
    options = {"pairs_per_epoch": 2, "epochs": 1, "val_interval": 2}
    workflow = train(livers, tmp_path, f"variants/{variant}", **options)
    assert float(rows(tmp_path / "metrics.csv")[0]["loss"]) < 100
    network = workflow.parser.get_parsed_content("network_def")
    assert len(network.cascades) == (10 if variant == "cascades_10" else 1)
    assert isinstance(network.cascades[0], VoxelMorphUNet if variant == "voxelmorph" else DenseSubnetwork)


def read(*names: str) -> dict[str, Any]:
    """Configs on top of one another."""
    return {key: value for name in names for key, value in json.loads((CONFIGS / f"{name}.json").read_text()).items()}


def test_paper_is_the_experiment_of_the_paper() -> None:
    train = read("train", "variants/paper")
    assert train["epochs"] * train["pairs_per_epoch"] / train["batch_size"] == 40_000
    assert (train["batch_size"], train["learning_rate"], train["spatial_size"]) == (4, 0.0001, [128] * 3)
    assert (train["base_channels"], train["levels"], train["cascades"]) == (16, 6, 1)


@pytest.mark.parametrize("variant", sorted(VARIANTS - {"paper"}))
def test_variants_come_on_top_of_the_paper_as_well(variant: str) -> None:
    assert read("variants/paper").keys().isdisjoint(read(f"variants/{variant}"))


def test_train_trains_what_inference_registers() -> None:
    train, inference = read("train"), read("inference")
    for name in ("spatial_size", "windows", "base_channels", "levels", "cascades", "repetitions", "base"):
        assert train[name] == inference[name], name


WRONG = {"_target_": "torch.nn.MSELoss"}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"loss": WRONG}, r"^--loss cannot be used in place of common\.losses\.RegistrationLoss: AttributeError: "),
        ({"network": WRONG}, r"^--network cannot be used in place of common\.engines\.place_network: ValueError: "),
        ({"train#handlers": [WRONG]}, r"^--train#handlers#0 cannot be used in place of \S+: AttributeError: "),
        ({"loss#terms": {}}, r"^RegistrationLoss\(\) expects 'terms' with one or more, got none\."),
        ({"validate#key_metric": {}}, r"^validation_engine\(\) expects 'metrics' with one or more, "),
        ({"case_preprocessing#transforms": []}, r"^The pairs hold names of images and no images: "),
    ],
)
def test_parts_of_a_wrong_kind_are_told_in_a_sentence(
    livers: Path, tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        train(livers, tmp_path, pairs_per_epoch=2, epochs=1, **changed)


def test_evaluation_measures_all_ordered_pairs(livers: Path, tmp_path: Path) -> None:
    train(livers, tmp_path / "trained", epochs=1)
    checkpoint = str(tmp_path / "trained" / "checkpoints" / "model.pt")
    train(livers, tmp_path / "evaluated", "evaluate", checkpoint=checkpoint, validation_pairs=100)
    lines = rows(tmp_path / "evaluated" / "pairs.csv")
    assert len({line["pair"] for line in lines}) == 6
    for line in lines:
        dice, jaccard = float(line["dice_before"]), float(line["jaccard_before"])
        assert jaccard == pytest.approx(dice / (2 - dice), abs=1e-5)
    metrics = {line["metric"] for line in rows(tmp_path / "evaluated" / "evaluation.csv")}
    assert {"dice_after", "jaccard_after", "dice_before", "jaccard_before", "folding_percent", "sdlogj"} <= metrics


def test_whole_scans_are_cut_to_the_liver_of_their_label(livers: Path, tmp_path: Path) -> None:
    share = []
    for region in ("whole", "liver"):
        workflow = train(livers, tmp_path / region, run=False, region=region)
        pair = workflow.parser.get_parsed_content("train#dataset")[0]
        assert pair["fixed_image"].shape == pair["fixed_label"].shape == (1, 32, 32, 32)
        share.append(float(pair["fixed_label"].as_tensor().float().mean()))
    assert share[1] > share[0]


def test_each_window_is_a_channel(livers: Path, tmp_path: Path) -> None:
    windows = [[290, 120], [100, 50]]
    workflow = train(livers, tmp_path, epochs=1, windows=windows)
    assert workflow.network_def.in_channels == 4
    checkpoint = str(tmp_path / "checkpoints" / "model.pt")
    paths = [str(livers / "images" / f"evaluation{n}.nii.gz") for n in (0, 1)]
    sizes = {name: TINY[name] for name in ("spatial_size", "base_channels", "levels")}
    scans = {"fixed_image": paths[0], "moving_image": paths[1], "region": "whole", "initial_transform": "region"}
    options = {"windows": windows, "instance_iterations": 1, **sizes, **scans}
    run_inference(BUNDLE, tmp_path / "result", checkpoint=checkpoint, **options)
    assert (tmp_path / "result" / "displacement_field.nii.gz").is_file()


def test_without_labels_images_alone_are_compared(livers: Path, tmp_path: Path) -> None:
    listed = json.loads((livers / "dataset.json").read_text())
    images = {part: [{"image": case["image"]} for case in cases] for part, cases in listed.items()}
    (tmp_path / "images.json").write_text(json.dumps(images))
    metrics = ["ncc", "folding_percent"]
    train(livers, tmp_path, epochs=1, datalist=str(tmp_path / "images.json"), metrics=metrics)
    assert float(rows(tmp_path / "metrics.csv")[0]["val_ncc"]) > 0.3
