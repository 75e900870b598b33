"""Registering scans with a bundle, as from the command line, and what happens with wrong input."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import monai
import nibabel as nib
import numpy as np
import pytest
import torch
from bundle_runs import QUIET
from monai.bundle import run

from common.io import InputError
from common.networks.nets import CoupledConvexNet, SelfTrainingFeatureNet
from common.phantoms import torso_phantom, write_phantom

REPOSITORY = Path(__file__).parents[2]
CONFIG = REPOSITORY / "bundles" / "abdomen_ct_self_training" / "configs" / "inference.json"
PAPER = CONFIG.parent / "variants" / "paper.json"
MULTIMODAL = CONFIG.parent / "variants" / "multimodal.json"
SCANS = ("fixed_image", "moving_image")


def register(output_dir: Path, *overlays: Path, **options: Any) -> dict:
    run(
        config_file=[str(CONFIG), *map(str, overlays)],
        logging_file=QUIET,
        bundle_root=str(CONFIG.parents[1]),
        output_dir=str(output_dir),
        **options,
    )
    return json.loads((output_dir / "metrics.json").read_text())


@pytest.fixture(scope="module")
def result(phantom: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("result")
    return folder, register(folder, **phantom)


def test_registration_improves_every_figure(result: tuple[Path, dict]) -> None:
    _, metrics = result
    assert metrics["dice"]["after"] > metrics["dice"]["before"] + 0.1
    assert metrics["hd95_mm"]["after"] < metrics["hd95_mm"]["before"]
    assert metrics["tre_mm"]["after"] < 0.5 * metrics["tre_mm"]["before"]
    assert metrics["similarity"]["after"] > metrics["similarity"]["before"]
    assert metrics["folding_percent"] < 0.1


def test_regularization_makes_fields_smoother(
    result: tuple[Path, dict], phantom: dict[str, str], tmp_path: Path
) -> None:
    _, metrics = result
    smoother = register(tmp_path, regularization=1500.0, **phantom)
    assert smoother["sdlogj"] < 0.85 * metrics["sdlogj"]
    assert smoother["dice"]["after"] > smoother["dice"]["before"] + 0.1


def test_multimodal_registers_two_contrasts(phantom: dict[str, str], tmp_path: Path) -> None:
    """Dark and bright of the moving scan become bright, what is between becomes dark."""
    image = nib.Nifti1Image.from_filename(phantom["moving_image"])
    values = np.asarray(image.dataobj, dtype=np.float32)
    other = tmp_path / "other.nii.gz"
    nib.save(nib.Nifti1Image(np.abs(values - values.mean()), image.affine), other)
    metrics = register(tmp_path / "result", MULTIMODAL, **{**phantom, "moving_image": str(other)})
    assert metrics["dice"]["after"] > metrics["dice"]["before"] + 0.1
    assert metrics["tre_mm"]["after"] < 0.7 * metrics["tre_mm"]["before"]
    assert metrics["folding_percent"] == 0


def test_metrics_have_their_keys(result: tuple[Path, dict]) -> None:
    _, metrics = result
    expected = {"start", "dice", "hd95_mm", "tre_mm", "warped_keypoints", "similarity", "folding_percent", "sdlogj"}
    expected |= {
        "folding_inside_percent",
        "seconds",
        "device",
        "bundle",
        "version",
        "settings",
        "inputs",
        "files",
        "configuration",
    }
    assert expected == set(metrics)
    assert len(metrics["tre_mm"]["per_point"]) > 10
    assert metrics["warped_keypoints"]["count"] == len(metrics["tre_mm"]["per_point"])
    total, *stages = metrics["seconds"].values()
    assert total == pytest.approx(sum(stages))
    names = ["load", "pre-alignment", "working grid", "registration", "warp", "measure", "write"]
    assert list(metrics["seconds"]) == ["total", *names]
    assert min(stages) > 0


def test_results_lie_on_the_fixed_grid(result: tuple[Path, dict], phantom: dict[str, str]) -> None:
    folder, _ = result
    fixed = nib.load(phantom["fixed_image"])
    for name in ("warped_image", "warped_label", "displacement_field"):
        image = nib.load(folder / f"{name}.nii.gz")
        assert image.shape[:3] == fixed.shape
        np.testing.assert_allclose(image.affine, fixed.affine, atol=1e-4)
    assert (folder / "report.png").stat().st_size > 10_000
    assert (folder / "warped_keypoints.csv").is_file()


def test_registration_without_labels_is_the_same(
    result: tuple[Path, dict], phantom: dict[str, str], tmp_path: Path
) -> None:
    """No label may leak into the registration; and the same input gives the same field."""
    register(tmp_path, **{key: phantom[key] for key in SCANS})
    fields = [nib.load(folder / "displacement_field.nii.gz").get_fdata() for folder in (result[0], tmp_path)]
    np.testing.assert_array_equal(*fields)


def test_command_line_works_from_any_directory(phantom: dict[str, str], tmp_path: Path) -> None:
    options = [f"--{key}={phantom[key]}" for key in SCANS]
    command = [
        sys.executable,
        "-m",
        "monai.bundle",
        "run",
        "--config_file",
        str(CONFIG),
        "--output_dir",
        "out",
        *options,
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "metrics.json").is_file()


def test_command_line_tells_a_mistake_in_one_sentence(phantom: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(CONFIG), "--output_dir", "out"]
    command += ["--fixd_image", phantom["fixed_image"]]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Error: --fixd_image is not an option here: nothing reads it. Did you mean --fixed_image?" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_datalist_goes_on_after_a_bad_pair_and_skips_what_is_the_same(phantom: dict[str, str], tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    with pairs.open("w", newline="") as file:
        csv.writer(file).writerows([SCANS, ["gone.nii.gz", phantom["moving_image"]], [phantom[key] for key in SCANS]])
    stamps = []
    for spacing in (9, 9, [9, 10, 11]):
        with pytest.raises(InputError, match="1 of 2 pairs failed: 1_gone_moving_image"):
            run(
                config_file=str(CONFIG),
                logging_file=QUIET,
                output_dir=str(tmp_path / "out"),
                datalist=str(pairs),
                spacing=spacing,
            )
        stamps += [path.stat().st_mtime_ns for path in (tmp_path / "out").glob("2_*/metrics.json")]
    assert stamps[0] == stamps[1] != stamps[2]
    with (tmp_path / "out" / "summary.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert "There is no file" in rows[0]["error"]
    assert rows[1]["error"] == ""


def broken(kind: str, phantom: dict[str, str], folder: Path) -> dict[str, str]:
    """The phantom's options with one thing wrong."""
    path = folder / "broken.nii.gz"
    image = nib.load(phantom["moving_image"])
    data, affine = image.get_fdata(dtype=np.float32), image.affine.copy()
    changed = {
        "2d": data[:, :, 10],
        "4d": np.stack([data, data], axis=-1),
        "constant": np.full_like(data, 7),
        "nan": np.where(data > data.mean(), np.nan, data),
        "apart": data,
        "label": np.zeros((5, 6, 7), np.uint8),
    }.get(kind, data)
    if kind == "apart":
        affine[:3, 3] += 5000
    nib.save(nib.Nifti1Image(changed, affine), path)
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:2000])
    if kind == "text":
        path.write_text("no image")
    if kind == "missing":
        path.unlink()
    if kind == "unplaced":
        nib.save(nib.Nifti1Image(data, None), path)
    if kind == "singular":
        singular = nib.Nifti1Image(data, None)
        singular.header["sform_code"] = 1
        singular.header["srow_x"] = singular.header["srow_y"] = singular.header["srow_z"] = 0
        nib.save(singular, path)
    key = "moving_label" if kind == "label" else "moving_image"
    return {**{name: phantom[name] for name in SCANS}, key: str(path)}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "There is no file"),
        ("text", "cannot be read as an image"),
        ("truncated", "cannot be read as an image"),
        ("2d", "is expected to be a 3-D scan"),
        ("4d", "is expected to be a 3-D scan"),
        ("constant", "is constant"),
        ("nan", "holds NaN"),
        ("label", "is expected to have the shape"),
        ("apart", "do not overlap in space"),
        ("singular", "has a singular or no affine"),
        ("unplaced", "has a singular or no affine"),
    ],
)
def test_wrong_scan_is_one_sentence(kind: str, message: str, phantom: dict[str, str], tmp_path: Path) -> None:
    options = {"initial_transform": "none"} if kind == "apart" else {}  # by default they are brought together
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        register(tmp_path / "out", **broken(kind, phantom, tmp_path), **options)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"initial_transform": "gone.tfm"}, "initial_transform expects one of none, center"),
        ({"spacing": -1}, "spacing is expected to be"),
        ({"fixed_keypoints": "points.csv"}, "lacks the column z"),
        ({"moving_image": None}, "gives no moving_image"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_wrong_option_is_one_sentence(
    options: dict, message: str, phantom: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("points.csv").write_text("x,y,depth\n1,2,3\n")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        register(tmp_path / "out", **{**{key: phantom[key] for key in SCANS}, **options})


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("sift", "--features is expected to be one of mind, random, segmentation, trained, got sift"),
        ("trained", "There are no trained weights at"),
    ],
)
def test_wrong_features_are_one_sentence(features: str, message: str, phantom: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        register(tmp_path / "out", PAPER, features=features, **{key: phantom[key] for key in SCANS})


def test_unwritable_output_folder_is_one_sentence(phantom: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"--output_dir .* cannot be written"):
        register(tmp_path / "file" / "out", **{key: phantom[key] for key in SCANS})


def test_full_disk_is_one_sentence_and_leaves_nothing_half_written(
    phantom: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(image: object, name: str) -> None:
        Path(name).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nib, "save", fail)
    with pytest.raises(OSError, match="cannot be written: No space left on device"):
        register(tmp_path, **{key: phantom[key] for key in SCANS})
    assert not list(tmp_path.glob("*"))


def test_damaged_weights_write_nothing(phantom: dict[str, str], tmp_path: Path) -> None:
    def spoil(module: torch.nn.Module, _: object, output: torch.Tensor) -> Any:
        return output * torch.nan if isinstance(module, CoupledConvexNet) else output

    hook = torch.nn.modules.module.register_module_forward_hook(spoil)
    try:
        with pytest.raises(ValueError, match=r"^The displacement is not finite: are the weights damaged"):
            register(tmp_path / "out", spacing=9, **{key: phantom[key] for key in SCANS})
    finally:
        hook.remove()
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_absent_device_is_one_sentence(phantom: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--device cuda is not available on this machine"):
        register(tmp_path, device="cuda", **{key: phantom[key] for key in SCANS})


def test_random_features_register_and_trained_ones_go_the_same_way(tmp_path: Path) -> None:
    """Two seeds are two networks, and either helps; weights that are those of a seed give the field of the seed."""
    pair = write_phantom(torso_phantom((48, 40, 56), (4.0, 4.0, 5.0), 6.0, seed=3), tmp_path / "phantom")
    options: dict = {"initial_transform": "center", "spacing": 4.0, "window": [0, 350], "regularization": 1.0}
    options |= {key: str(path) for key, path in pair.items() if key.startswith(("fixed", "moving"))}
    monai.utils.set_determinism(1)
    torch.save(SelfTrainingFeatureNet().state_dict(), tmp_path / "model.pt")
    kinds: dict[str, dict] = {
        "0": {},
        "1": {"seed": 1},
        "trained": {"seed": 1, "features": "trained", "checkpoint": str(tmp_path / "model.pt")},
    }
    fields = []
    for name, kind in kinds.items():
        metrics = register(tmp_path / name, PAPER, **options, **kind)
        assert metrics["dice"]["after"] > metrics["dice"]["before"] + 0.08
        assert metrics["tre_mm"]["after"] < 0.8 * metrics["tre_mm"]["before"]
        assert metrics["settings"]["features"] == kind.get("features", "random")
        fields.append(nib.load(tmp_path / name / "displacement_field.nii.gz").get_fdata())
    assert np.abs(fields[0] - fields[1]).max() > 0.1
    np.testing.assert_allclose(fields[1], fields[2], atol=1e-3)


def test_pipeline_registers_in_2d(tmp_path: Path) -> None:
    """The way of a pair is the same in 2-D, up to the files."""
    paths = write_phantom(torso_phantom((96, 80), (3.0, 3.0), maximum_displacement=6.0), tmp_path / "phantom")
    options = {key: str(path) for key, path in paths.items() if key.startswith(("fixed", "moving"))}
    metrics = register(tmp_path / "out", spatial_dims=2, **options)
    assert metrics["dice"]["after"] > metrics["dice"]["before"] + 0.1
    assert metrics["tre_mm"]["after"] < 0.5 * metrics["tre_mm"]["before"]
    assert nib.load(tmp_path / "out" / "displacement_field.nii.gz").shape == (96, 80, 1, 1, 2)
