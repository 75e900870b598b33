"""Registering livers with the bundle, as from the command line."""

from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import run_inference

from common.data import built_in
from common.networks.nets import VTN
from common.phantoms import abdomen_phantom, write_phantom

BUNDLE = Path(__file__).parents[2] / "bundles" / "liver_ct_curriculum"
SMALL = ((48, 40, 56), (6.4, 6.4, 6.4), 5.0, 1)  # an abdomen
LIMIT = 12 * 2**20  # bytes
TINY: dict[str, Any] = {"spatial_size": [32, 32, 32], "base_channels": 2, "levels": 4}


def register(output_dir: Path, **options: Any) -> dict:
    return run_inference(BUNDLE, output_dir, **options)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights that answer with the identity."""
    network = VTN(**TINY)
    for layer in ("affine.linear", "affine.shift", "cascades.0.head"):
        torch.nn.init.zeros_(network.get_parameter(f"{layer}.weight"))
    path = tmp_path_factory.mktemp("weights") / "model.pt"
    torch.save(network.state_dict(), path)
    return str(path)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    pair = abdomen_phantom(*SMALL)
    paths = write_phantom(pair, tmp_path_factory.mktemp("abdomen"))
    return {key: str(paths[key]) for key in paths if key != "displacement"}


def test_without_arguments_the_built_in_abdomen_is_registered(
    checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(built_in.PHANTOMS, "abdomen", partial(abdomen_phantom, *SMALL))
    metrics = register(tmp_path, checkpoint=checkpoint, **TINY)
    assert metrics["start"]["taken"] != "region"
    assert "4" in metrics["dice"]["per_label"]  # the liver
    assert nib.load(tmp_path / "displacement_field.nii.gz").shape == (48, 40, 56, 1, 3)
    for name in ("warped_image.nii.gz", "warped_label.nii.gz", "warped_keypoints.csv", "report.png"):
        assert (tmp_path / name).is_file()


def test_liver_boxes_on_one_another_are_a_start(scans: dict[str, str], checkpoint: str, tmp_path: Path) -> None:
    """The field is that of an affine map then: the network answers with nothing."""
    metrics = register(tmp_path, **scans, checkpoint=checkpoint, initial_transform="region", **TINY)
    assert metrics["start"]["taken"] == "region"
    assert metrics["settings"]["initial_transform"] == "region"
    field = nib.load(tmp_path / "displacement_field.nii.gz").get_fdata()[..., 0, :]
    inner = field[20:28, 16:24, 24:32]
    for axis in range(3):
        np.testing.assert_allclose(np.diff(inner, n=2, axis=axis), 0, atol=0.05)


def test_crops_are_registered_as_they_were_trained(checkpoint: str, tmp_path: Path) -> None:
    """Whole, each stretched to the grid; so an identity of voxels is the answer to nothing."""
    for name, size in (("fixed", (32, 32, 32)), ("moving", (16, 32, 64))):
        values = np.random.default_rng(0).normal(100, 40, size).astype(np.float32)
        nib.save(nib.Nifti1Image(values, np.diag([64 / n for n in size] + [1.0])), tmp_path / f"{name}.nii.gz")
    images = {f"{side}_image": str(tmp_path / f"{side}.nii.gz") for side in ("fixed", "moving")}
    options = {"region": "whole", "initial_transform": "region", "checkpoint": checkpoint, **TINY}
    register(tmp_path / "out", **images, **options)
    field = nib.load(tmp_path / "out" / "displacement_field.nii.gz").get_fdata()
    # voxel centers of the first voxels: 1, 1, 1 mm and 2, 1, 0.5 mm
    np.testing.assert_allclose(field.reshape(-1, 3).std(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(np.abs(field.reshape(-1, 3)[0]), [1, 0, 0.5], atol=1e-3)


def test_absent_weights_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no trained weights at .*absent\.pt: give --checkpoint"):
        register(tmp_path, checkpoint=str(tmp_path / "absent.pt"))


def test_shipped_weights_register_the_abdomen(tmp_path: Path) -> None:
    weights = BUNDLE / "models" / "model.pt"
    assert weights.stat().st_size < LIMIT
    liver = register(tmp_path)["dice"]["per_label"]["4"]
    assert liver["after"] > liver["before"]
