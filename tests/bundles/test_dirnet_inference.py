"""Registering images, stacks and cine scans with the two-dimensional bundle, as from the command line."""

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import run_inference
from monai.bundle import ConfigParser
from PIL import Image

from common.io import read_field
from common.networks.nets import DIRNet
from common.phantoms import heart_phantom

REPOSITORY = Path(__file__).parents[2]
BUNDLE = REPOSITORY / "bundles" / "cardiac_mr_dirnet"
LIMIT = 12 * 2**20  # bytes
OBLIQUE = np.array([[0.1, 0.2, 8, 5], [1.4, 0.1, 0, 6], [0.1, -1.4, 0, 7], [0, 0, 0, 1]])


def register(output_dir: Path, **options: Any) -> dict:
    return run_inference(BUNDLE, output_dir, **options)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Untrained weights in half precision whose last layer, zero at first, is moved a little."""
    torch.manual_seed(0)
    network = DIRNet(extra_convolutions=True)
    last = [parameter for parameter in network.parameters() if parameter.ndim == 4][-1]
    torch.nn.init.normal_(last, std=5.0)
    path = tmp_path_factory.mktemp("weights") / "model.pt"
    torch.save(
        {name: value.half() if value.is_floating_point() else value for name, value in network.state_dict().items()},
        path,
    )
    return str(path)


def slices() -> dict[str, np.ndarray]:
    pair = heart_phantom((96, 80), 2.4)
    return {name: getattr(pair, name) for name in ("fixed_image", "moving_image", "fixed_label", "moving_label")}


def test_without_arguments_the_built_in_heart_is_registered(checkpoint: str, tmp_path: Path) -> None:
    metrics = register(tmp_path, checkpoint=checkpoint)
    assert metrics["settings"]["spatial_dims"] == 2
    assert len(metrics["tre_mm"]["per_point"]) == 24
    assert metrics["tre_mm"]["after"] != metrics["tre_mm"]["before"]
    assert nib.load(tmp_path / "displacement_field.nii.gz").shape == (192, 160, 1, 1, 2)
    for name in ("warped_image.nii.gz", "warped_label.nii.gz", "warped_keypoints.csv", "report.png"):
        assert (tmp_path / name).is_file()
    assert not (tmp_path / "cine.gif").exists()


def test_shipped_weights_register_the_heart(tmp_path: Path) -> None:
    weights = BUNDLE / "models" / "model.pt"
    if not weights.is_file():
        pytest.skip("the bundle has no weights yet")
    assert weights.stat().st_size < LIMIT
    metrics = register(tmp_path)
    assert metrics["dice"]["after"] > metrics["dice"]["before"] + 0.05
    assert metrics["tre_mm"]["after"] < metrics["tre_mm"]["before"]


@pytest.mark.parametrize("suffix", [".png", ".npy", ".nii.gz"])
def test_two_images_are_registered_in_2d(suffix: str, checkpoint: str, tmp_path: Path) -> None:
    """In a picture rows run down and columns across: its first axis here is the second of the array."""
    affine = np.diag([-2.4, -2.4, 8, 1])
    affine[:3, 3] = (10, 20, 30)
    paths = {}
    for name, array in slices().items():
        paths[name] = str(tmp_path / f"{name}{suffix}")
        if suffix == ".nii.gz":
            nib.save(nib.Nifti1Image(array, affine), paths[name])
        elif suffix == ".npy":
            np.save(paths[name], array)
        else:
            Image.fromarray(array.T.clip(0, 255).astype(np.uint8)).save(paths[name])
    metrics = register(tmp_path / "out", checkpoint=checkpoint, **paths)
    assert metrics["settings"]["spatial_dims"] == 2
    assert metrics["dice"]["after"] != metrics["dice"]["before"]
    field = nib.load(tmp_path / "out" / "displacement_field.nii.gz")
    assert field.shape == (96, 80, 1, 1, 2)
    for name in ("warped_image", "warped_label"):
        result = nib.load(tmp_path / "out" / f"{name}.nii.gz")
        assert result.shape == (96, 80)
        np.testing.assert_allclose(result.affine, field.affine, atol=1e-5)
        if suffix == ".nii.gz":  # the slice stays where it is in the patient
            np.testing.assert_allclose(result.affine, affine, atol=1e-5)


@pytest.mark.parametrize("depth", [1, 3])
def test_stacks_are_registered_slice_by_slice(depth: int, checkpoint: str, tmp_path: Path) -> None:
    """Every slice as if alone, in its place in an oblique stack; nothing moves from slice to slice."""
    paths, alone = {}, {}
    for name in ("fixed_image", "moving_image"):
        paths[name], alone[name] = (str(tmp_path / f"{name}{kind}") for kind in (".nii.gz", ".npy"))
        array = slices()[name]
        nib.save(nib.Nifti1Image(np.stack([array + 50 * k for k in range(depth)], axis=-1), OBLIQUE), paths[name])
        np.save(alone[name], array)
    assert register(tmp_path / "out", checkpoint=checkpoint, **paths)["settings"]["spatial_dims"] == 3
    assert nib.load(tmp_path / "out" / "displacement_field.nii.gz").shape == (96, 80, depth, 1, 3)
    field = read_field(tmp_path / "out" / "displacement_field.nii.gz")
    np.testing.assert_allclose(nib.load(tmp_path / "out" / "warped_image.nii.gz").affine, OBLIQUE, atol=1e-5)
    lps = np.diag([-1, -1, 1]) @ OBLIQUE[:3, :3]
    voxels = np.einsum("ij,jxyz->ixyz", np.linalg.inv(lps), field.displacement[0].numpy())
    np.testing.assert_allclose(voxels[2], 0, atol=1e-4)
    register(tmp_path / "alone", checkpoint=checkpoint, **alone)
    expected = read_field(tmp_path / "alone" / "displacement_field.nii.gz").displacement[0].numpy()  # 1 mm: voxels
    for k in range(depth):
        np.testing.assert_allclose(voxels[:2, ..., k], expected, atol=2e-2)


def test_a_cine_is_registered_phase_by_phase(checkpoint: str, tmp_path: Path) -> None:
    pair = slices()
    images, labels = (
        np.stack([np.stack([pair[f"{side}_{kind}"]] * 2, axis=-1) for side in ("moving", "fixed", "moving")], axis=-1)
        for kind in ("image", "label")
    )
    labels[..., 2] = 0
    for name, array in (("cine", images), ("label", labels)):
        nib.save(nib.Nifti1Image(array, np.diag([-2.4, -2.4, 8, 1])), tmp_path / f"{name}.nii.gz")
    files = {name: str(tmp_path / f"{name}.nii.gz") for name in ("cine", "label")}
    register(tmp_path / "out", checkpoint=checkpoint, **files)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "phase_01_from_00",
        "phase_02_from_00",
        "summary.csv",
        "cine.gif",
        "label_area.csv",
        "label_area.png",
    }
    annotated, other = (
        json.loads((tmp_path / "out" / f"phase_0{t}_from_00" / "metrics.json").read_text()) for t in (1, 2)
    )
    assert "dice" in annotated
    assert "dice" not in other
    assert nib.load(tmp_path / "out" / "phase_02_from_00" / "warped_label.nii.gz").shape == (96, 80, 2)


def test_one_of_several_networks_is_loaded(tmp_path: Path) -> None:
    still, moving = (DIRNet(downsamplings=2, extra_convolutions=False).state_dict() for _ in range(2))
    name = [key for key, value in moving.items() if key.endswith("bias") and value.shape == (2,)][-1]
    moving[name] = torch.tensor([1.0, 2.0])
    torch.save({"digit_0": still, "digit_1": moving}, tmp_path / "digits.pt")
    image = np.zeros((28, 28), np.uint8)
    image[8:20, 12:16] = 255
    options: dict[str, Any] = {}
    for key in ("fixed_image", "moving_image"):
        Image.fromarray(image).save(tmp_path / f"{key}.png")
        options[key] = str(tmp_path / f"{key}.png")
        image[20, 12] = 255  # scans that agree are not registered
    options |= {"checkpoint": str(tmp_path / "digits.pt"), "downsamplings": 2, "extra_convolutions": False}
    for key, expected in (("digit_0", (0, 0)), ("digit_1", (1, 2))):
        register(tmp_path / key, checkpoint_key=key, **options)
        field = read_field(tmp_path / key / "displacement_field.nii.gz").displacement
        np.testing.assert_allclose(field[0, :, 14, 14], expected, atol=0.05)
    with pytest.raises(ValueError, match="There is no network digit_7"):
        register(tmp_path / "absent", checkpoint_key="digit_7", **options)


@pytest.mark.parametrize("overlay", ["mnist", *(f"variants/{v}" for v in ("b", "a1", "a2", "b1", "b2", "c1", "c2"))])
def test_overlays_mean_the_same_network_as_in_training(overlay: str) -> None:
    networks = []
    for name in ("inference", "train"):
        parser = ConfigParser()
        parser.read_config([BUNDLE / "configs" / f"{file}.json" for file in (name, overlay)])
        networks.append(parser.get_parsed_content("network_def"))
    assert repr(networks[0]) == repr(networks[1])
