"""Registering chests with the progressive bundle, as from the command line."""

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import run_inference
from monai.bundle import ConfigParser

from common.networks.nets import DisplacementUNet, ProgressiveUNet

BUNDLE = Path(__file__).parents[2] / "bundles" / "lung_ct_progressive"
LEVELS = ConfigParser.load_config_file(BUNDLE / "configs" / "inference.json")["levels"]
LIMIT = 12 * 2**20  # bytes


def register(output_dir: Path, **options: Any) -> dict:
    return run_inference(BUNDLE, output_dir, **options)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Untrained weights, as a training leaves them, whose last layer answers with little."""
    torch.manual_seed(0)
    network = ProgressiveUNet(base_channels=2, levels=LEVELS)
    torch.nn.init.normal_(network.head.weight, std=0.05)
    path = tmp_path_factory.mktemp("weights") / "model.pt"
    torch.save(network.state_dict(), path)
    return str(path)


@pytest.fixture(scope="module")
def result(checkpoint: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("result")
    return folder, register(folder, checkpoint=checkpoint, base_channels=2)


def test_without_arguments_the_built_in_chest_is_registered(result: tuple[Path, dict]) -> None:
    folder, metrics = result
    assert len(metrics["tre_mm"]["per_point"]) > 30
    assert metrics["tre_mm"]["after"] != metrics["tre_mm"]["before"]
    assert nib.load(folder / "displacement_field.nii.gz").shape == (96, 72, 88, 1, 3)
    for name in ("warped_image.nii.gz", "warped_label.nii.gz", "warped_keypoints.csv", "report.png"):
        assert (folder / name).is_file()


def test_landmarks_of_the_user_are_measured_one_by_one(
    result: tuple[Path, dict], checkpoint: str, tmp_path: Path
) -> None:
    phantom = result[0] / "phantom"
    options = {}
    for side in ("fixed", "moving"):
        options[f"{side}_image"] = str(phantom / f"{side}_image.nii.gz")
        lines = next(phantom.glob(f"{side}_keypoints.*")).read_text().splitlines()
        (tmp_path / f"{side}.csv").write_text("\n".join(lines[:4]) + "\n")
        options[f"{side}_keypoints"] = str(tmp_path / f"{side}.csv")
    metrics = register(tmp_path / "out", checkpoint=checkpoint, base_channels=2, **options)
    of_all = result[1]["tre_mm"]["per_point"]
    assert list(metrics["tre_mm"]["per_point"])[:3] == list(of_all)[:3]
    assert len(metrics["tre_mm"]["per_point"]) == 3


def test_landmarks_are_carried_to_every_phase_of_a_list(
    result: tuple[Path, dict], checkpoint: str, tmp_path: Path
) -> None:
    """Of a 4-D CT; those of one phase, the moving one, come to all others, which need none."""
    phantom = result[0] / "phantom"
    phases = [nib.load(phantom / f"{side}_image.nii.gz") for side in ("fixed", "moving")]
    breath = np.stack([phase.get_fdata(dtype=np.float32) for phase in phases], axis=-1)
    nib.save(nib.Nifti1Image(breath, phases[0].affine), tmp_path / "breath.nii.gz")
    (points,) = phantom.glob("moving_keypoints.*")
    header = "fixed_image,fixed_phase,moving_image,moving_phase,moving_keypoints"
    lines = [f"breath.nii.gz,{phase},breath.nii.gz,1,{points}" for phase in (0, 1)]
    (tmp_path / "phases.csv").write_text("\n".join([header, *lines]) + "\n")
    options = {"checkpoint": checkpoint, "base_channels": 2, "datalist": str(tmp_path / "phases.csv")}
    register(tmp_path / "out", **options)
    other, itself = (
        np.loadtxt(path, delimiter=",", skiprows=1, usecols=(0, 1, 2))
        for path in sorted((tmp_path / "out").glob("*/warped_keypoints.csv"))
    )
    there = np.loadtxt(points, delimiter=",", skiprows=1, usecols=(0, 1, 2))
    np.testing.assert_allclose(itself, there, atol=1e-3)  # a scan against itself is not registered
    np.testing.assert_allclose(
        other, np.loadtxt(result[0] / "warped_keypoints.csv", delimiter=",", skiprows=1), atol=0.1
    )
    assert np.linalg.norm(other - there, axis=1).max() > 0.1


@pytest.mark.parametrize("value", [0.0, -1024.0, -3024.0])
def test_what_surrounds_the_patient_does_not_matter(value: float, result: tuple[Path, dict], tmp_path: Path) -> None:
    """The lungs are found all the same, and the network sees the same of them."""
    scans = {side: nib.load(result[0] / "phantom" / f"{side}_image.nii.gz") for side in ("fixed", "moving")}
    expected = prepared(scans, tmp_path)
    padded = {side: around(scan, ((7, 3), (0, 9), (5, 12)), value) for side, scan in scans.items()}
    torch.testing.assert_close(prepared(padded, tmp_path), expected, atol=1e-4, rtol=0)


def test_a_crop_of_the_scan_keeps_the_grid(result: tuple[Path, dict], tmp_path: Path) -> None:
    """It ends just around the lungs. What lies well inside is the same; beyond the crop nothing is known."""
    scans = {side: nib.load(result[0] / "phantom" / f"{side}_image.nii.gz") for side in ("fixed", "moving")}
    cropped = {side: scan.slicer[6:-6, 4:-4, 5:] for side, scan in scans.items()}
    whole, part = prepared(scans, tmp_path), prepared(cropped, tmp_path)
    seen = part[:, 24:40, 24:40, 24:40]
    assert float(seen.std()) > 0.1
    torch.testing.assert_close(seen, whole[:, 24:40, 24:40, 24:40], atol=1e-4, rtol=0)


def prepared(scans: dict[str, nib.Nifti1Image], folder: Path) -> torch.Tensor:
    """The network's input, as `inference.json` makes it."""
    for side, scan in scans.items():
        nib.save(scan, folder / f"{side}.nii.gz")
    parser = ConfigParser()
    parser.read_config(BUNDLE / "configs" / "inference.json")
    preprocessing = parser.get_parsed_content("preprocessing")
    return preprocessing({f"{side}_image": str(folder / f"{side}.nii.gz") for side in scans})["image"].as_tensor()


def around(scan: nib.Nifti1Image, padding: tuple, value: float) -> nib.Nifti1Image:
    affine = scan.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ [before for before, _ in padding]
    return nib.Nifti1Image(np.pad(scan.get_fdata(dtype=np.float32), padding, constant_values=value), affine)


def test_the_grown_network_answers_as_the_plain_one(result: tuple[Path, dict], checkpoint: str, tmp_path: Path) -> None:
    network = ProgressiveUNet(base_channels=2, levels=LEVELS)
    network.load_state_dict(torch.load(checkpoint, weights_only=True))
    torch.save(network.plain().state_dict(), tmp_path / "plain.pt")
    metrics = register(tmp_path / "out", checkpoint=str(tmp_path / "plain.pt"), base_channels=2)
    assert metrics["tre_mm"] == result[1]["tre_mm"]


def test_instance_optimization_is_a_switch(result: tuple[Path, dict], tmp_path: Path) -> None:
    """On top of a network that answers with nothing, it alone registers."""
    network = DisplacementUNet(base_channels=2, levels=LEVELS)
    torch.nn.init.zeros_(network.head.weight)
    torch.save(network.state_dict(), tmp_path / "still.pt")
    metrics = register(tmp_path / "out", checkpoint=str(tmp_path / "still.pt"), base_channels=2, instance_iterations=40)
    assert metrics["settings"]["instance_iterations"] == 40
    assert metrics["similarity"]["after"] > metrics["similarity"]["before"]
    assert metrics["tre_mm"]["after"] < metrics["tre_mm"]["before"] - 1


def test_shipped_weights_register_the_chest(tmp_path: Path) -> None:
    weights = BUNDLE / "models" / "model.pt"
    if not weights.is_file():
        pytest.skip("the bundle has no weights yet")
    assert weights.stat().st_size < LIMIT
    metrics = register(tmp_path)
    assert metrics["tre_mm"]["after"] < 0.5 * metrics["tre_mm"]["before"]


def test_absent_weights_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no trained weights at .*absent\.pt: give --checkpoint"):
        register(tmp_path, checkpoint=str(tmp_path / "absent.pt"))
