"""Training the 2-D bundle, as from the command line: cine slices, digits, every variant."""

from collections.abc import Iterator
from pathlib import Path
from socket import socket
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import rows, run_training, weights
from monai.bundle import ConfigWorkflow

REPOSITORY = Path(__file__).parents[2]
BUNDLE = REPOSITORY / "bundles" / "cardiac_mr_dirnet"
CONFIGS = BUNDLE / "configs"
TINY = {
    "spatial_size": [64, 64],
    "pairs_per_epoch": 8,
    "batch_size": 4,
    "epochs": 2,
    "val_interval": 1,
    "device": "cpu",
}
VARIANTS = {"a1", "a2", "b", "b1", "b2", "c1", "c2", "small"}


@pytest.fixture(scope="session")
def cines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two patients, two slices, four phases: a disk that shrinks and grows, annotated at its largest and smallest."""
    folder = tmp_path_factory.mktemp("cines")
    i, j = np.meshgrid(np.arange(64), np.arange(64), indexing="ij")
    for patient, middle in (("A", 30), ("B", 34)):
        distance = np.hypot(i - middle, j - 32)
        radii = [14, 11, 8, 11]
        label = np.stack([np.stack([distance < r - k for r in radii], -1) for k in range(2)], 2).astype(np.uint8)
        image = (np.random.default_rng(0).random(label.shape) * 20 + 100 * label).astype(np.int16)
        label[..., 1::2] = 0
        affine = np.diag([-1.4, -1.4, 8, 1])
        nib.save(nib.Nifti1Image(image, affine), folder / f"{patient}_image.nii.gz")
        nib.save(nib.Nifti1Image(label, affine), folder / f"{patient}_endo.nii.gz")
    return folder


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    images = np.zeros((36, 28, 28), np.uint8)
    for number, image in enumerate(images):
        image[8 + number % 3 : 20, 12 : 15 + number % 4] = 255
    np.savez(folder / "mnist_train.npz", x_train=images, y_train=np.full(36, 7, np.uint8))
    return folder


def train(dataset_dir: Path, output_dir: Path, *overlays: str, **options: Any) -> ConfigWorkflow:
    return run_training(BUNDLE, output_dir, "train", *overlays, **{**TINY, "dataset_dir": str(dataset_dir), **options})


def test_training_writes_what_it_promises(cines: Path, tmp_path: Path) -> None:
    workflow = train(cines, tmp_path)
    assert workflow.check_properties() == []
    lines = rows(tmp_path / "metrics.csv")
    assert [line["iteration"] for line in lines] == ["2", "4"]
    assert {"similarity", "loss", "val_dice", "val_ncc", "val_folding_percent"} <= set(lines[0])
    assert (tmp_path / "validation_epoch=2.png").stat().st_size > 10_000


def test_resumed_training_is_the_uninterrupted_one(cines: Path, tmp_path: Path) -> None:
    train(cines, tmp_path / "whole")
    train(cines, tmp_path / "parts", epochs=1)
    train(cines, tmp_path / "parts", resume=True)
    whole, parts = (weights(tmp_path / way) for way in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_compiled_training_is_the_same(cines: Path, tmp_path: Path) -> None:
    train(cines, tmp_path / "plain", epochs=2)
    train(cines, tmp_path / "compiled", epochs=2, compile="eager")
    plain, compiled = (weights(tmp_path / way) for way in ("plain", "compiled"))
    for name in plain:
        torch.testing.assert_close(compiled[name], plain[name], atol=1e-4, rtol=1e-3)


@pytest.fixture
def lonely_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment of a process that torchrun started alone."""
    with socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    ranks = {"RANK": 0, "LOCAL_RANK": 0, "WORLD_SIZE": 1, "LOCAL_WORLD_SIZE": 1}
    for name, value in {**ranks, "MASTER_ADDR": "localhost", "MASTER_PORT": port}.items():
        monkeypatch.setenv(name, str(value))
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("lonely_process")
def test_processes_compile_as_one_does(cines: Path, tmp_path: Path) -> None:
    workflow = train(cines, tmp_path, "multi_gpu_train", run=False, compile="eager", backend="gloo")
    assert workflow.parser.get_parsed_content("network")._compiled_call_impl is not None


@pytest.mark.usefixtures("lonely_process")
def test_processes_check_as_one_does(cines: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"^--output_dir .*file cannot be written"):
        train(cines, tmp_path / "file", "multi_gpu_train", backend="gloo")


def test_variants_are_those_of_the_paper() -> None:
    assert {path.stem for path in (CONFIGS / "variants").glob("*.json")} == VARIANTS


@pytest.mark.parametrize("variant", sorted(VARIANTS - {"small"}))
def test_every_variant_runs(cines: Path, tmp_path: Path, variant: str) -> None:
    train(cines, tmp_path, "variants/small", f"variants/{variant}", epochs=1)
    assert -1 < float(rows(tmp_path / "metrics.csv")[0]["loss"]) < 0


def test_evaluation_writes_every_pair(cines: Path, tmp_path: Path) -> None:
    train(cines, tmp_path / "trained", epochs=1)
    checkpoint = str(tmp_path / "trained" / "checkpoints" / "model.pt")
    train(cines, tmp_path / "evaluated", "evaluate", checkpoint=checkpoint, held_out="A")
    lines = rows(tmp_path / "evaluated" / "pairs.csv")
    assert len(lines) == 4  # two slices, both directions
    assert lines[0]["pair"] == "A_slice0_phase0_A_slice0_phase2"
    assert 0 < float(lines[0]["mad_mm"]) <= float(lines[0]["sd95_mm"])


def test_digits_are_trained_and_evaluated(digits: Path, tmp_path: Path) -> None:
    size = {"spatial_size": [28, 28], "digit": 7}
    train(digits, tmp_path / "trained", "mnist", **size)
    assert "val_ncc" in rows(tmp_path / "trained" / "metrics.csv")[0]
    checkpoint = str(tmp_path / "trained" / "checkpoints" / "model.pt")
    train(digits, tmp_path / "evaluated", "evaluate", "mnist", checkpoint=checkpoint, **size)
    assert len(rows(tmp_path / "evaluated" / "pairs.csv")) == 5  # six held back, the first one fixed


def test_mistakes_are_told_in_one_sentence(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^There is no 4-D scan <patient>_image.nii.gz in"):
        train(digits, tmp_path)
    with pytest.raises(ValueError, match=r".*has no image of the digit 3"):
        train(digits, tmp_path, "mnist", digit=3)
