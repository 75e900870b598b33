"""The files of one registered pair."""

import errno
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.io import read_field, read_points, read_scan
from common.reports import SaveRegistrationd, save

SHAPE = (5, 6, 7)
AFFINE = torch.tensor([[0.0, -3, 0.4, 10], [2, 0.5, 0, 20], [0.3, 0, 1.5, -30], [0, 0, 0, 1]]).double()
POINTS = torch.tensor([[1.5, -2.0, 30.25], [4.0, 5.5, -6.125]]).double()


def scan(values: torch.Tensor, dtype: str) -> MetaTensor:
    return MetaTensor(values[None], affine=AFFINE, meta={"stored_dtype": dtype})


def registered(**more: Any) -> dict[str, Any]:
    """What the transforms before leave of a pair."""
    field = torch.linspace(0, 1, 3 * 210).reshape(3, *SHAPE)
    return {
        "displacement_field": MetaTensor(field, affine=AFFINE),
        "warped_image": scan(torch.rand(SHAPE) * 100, "int16"),
        "metrics": {"folding_percent": 0.0, "sdlogj": np.float32(0.5), "points": torch.tensor([1.0, 2.0])},
        "seconds": {"load": torch.tensor(1.5), "warp": 2.0},
        "clock": torch.tensor(10.0),
        **more,
    }


@pytest.fixture(autouse=True)
def reports(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The pictures that were asked for; they have tests of their own."""
    written: list[Path] = []

    def write_report(path: Path, data: Any) -> None:
        written.append(path)
        path.touch()

    monkeypatch.setattr(save, "write_report", write_report)
    return written


def test_save_registrationd_writes_the_contract(tmp_path: Path, reports: list[Path]) -> None:
    data = registered(
        warped_label=scan(torch.ones(SHAPE, dtype=torch.int32), "uint8"),
        warped_keypoints=POINTS,
        moving_keypoints_file="there/moving.fcsv",
        moving_keypoints_labels=("apex", "base"),
    )
    assert SaveRegistrationd(tmp_path)(data) == data
    names = {"displacement_field.nii.gz", "warped_image.nii.gz", "warped_label.nii.gz", "warped_keypoints.fcsv"}
    assert {path.name for path in tmp_path.iterdir()} == names | {"report.png", "metrics.json"}
    assert set(json.loads((tmp_path / "metrics.json").read_text())["files"]) == names | {"report.png"}
    assert len(reports) == 1
    written = read_field(tmp_path / "displacement_field.nii.gz").displacement
    torch.testing.assert_close(written[0], data["displacement_field"].as_tensor())
    assert read_scan(tmp_path / "warped_image.nii.gz").meta["stored_dtype"] == "int16"
    assert read_scan(tmp_path / "warped_label.nii.gz", label=True).unique().tolist() == [1]
    points = read_points(tmp_path / "warped_keypoints.fcsv")
    assert torch.equal(points.positions, POINTS)
    assert points.labels == ("apex", "base")


def test_save_registrationd_writes_only_what_is_there(tmp_path: Path) -> None:
    SaveRegistrationd(str(tmp_path))(registered())
    names = ["displacement_field.nii.gz", "metrics.json", "report.png", "warped_image.nii.gz"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_save_registrationd_gives_a_named_pair_its_folder(tmp_path: Path) -> None:
    SaveRegistrationd(tmp_path / "out")(registered(pair="1_a_b"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["1_a_b"]
    assert (tmp_path / "out" / "1_a_b" / "report.png").is_file()


def test_save_registrationd_records_metrics_seconds_and_provenance(
    tmp_path: Path, reports: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seconds contain the writing: the clock is read when everything else is there."""
    monkeypatch.setattr("time.perf_counter", lambda: 10.0 + 0.25 * len(reports))
    settings = {"spatial_dims": None, "spacing": None}
    made_of = {"bundle": "a_b_c", "device": "cpu", "settings": settings, "inputs": {"fixed_phase": 3}}
    SaveRegistrationd(tmp_path)(registered(made_of=json.dumps(made_of)))
    record = json.loads((tmp_path / "metrics.json").read_text())
    assert record == {
        "folding_percent": 0.0,
        "sdlogj": 0.5,
        "points": [1.0, 2.0],
        "seconds": {"total": 3.75, "load": 1.5, "warp": 2.0, "write": 0.25},
        "bundle": "a_b_c",
        "device": "cpu",
        "settings": {"spatial_dims": 3, "spacing": None},
        "inputs": {"fixed_phase": 3},
        "files": ["displacement_field.nii.gz", "warped_image.nii.gz", "report.png"],
    }


def test_save_registrationd_replaces_an_earlier_result_as_a_whole(tmp_path: Path) -> None:
    label = scan(torch.ones(SHAPE, dtype=torch.int32), "uint8")
    points = {"warped_keypoints": POINTS, "moving_keypoints_file": "moving.fcsv"}
    SaveRegistrationd(tmp_path)(registered(warped_label=label, **points))
    (tmp_path / "phantom").mkdir()
    (tmp_path / "notes.txt").touch()
    SaveRegistrationd(tmp_path)(registered())
    names = ["displacement_field.nii.gz", "metrics.json", "notes.txt", "phantom", "report.png", "warped_image.nii.gz"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_save_registrationd_leaves_nothing_when_a_picture_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def fail(path: Path, data: dict[str, Any]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(save, "write_report", fail)
    with pytest.raises(OSError, match="No space left on device"):
        SaveRegistrationd(tmp_path)(registered())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"displacement_field": MetaTensor(torch.full((3, *SHAPE), torch.nan), affine=AFFINE)},
            "The displacement field is not fin",
        ),
        ({"warped_image": scan(torch.full(SHAPE, torch.inf), "float32")}, "The warped image is not finite"),
        ({"metrics": {"tre_mm": {"after": float("nan")}}}, "The result is not written: its tre_mm holds a number that"),
        ({"seconds": {"load": float("inf")}}, "The result is not written: its seconds holds a number that is not fini"),
    ],
)
def test_save_registrationd_lets_nothing_out_that_is_not_finite(
    wrong: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        SaveRegistrationd(tmp_path)(registered(**wrong))
    assert not list(tmp_path.iterdir())


def test_save_registrationd_rejects_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").mkdir()
    with pytest.raises(OSError, match=r"metrics\.json cannot be written: it is a folder\.$"):
        SaveRegistrationd(tmp_path)(registered())
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_save_registrationd_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(image: nib.Nifti1Image, name: str) -> None:
        Path(name).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(nib, "save", full)
    with pytest.raises(OSError, match=r"displacement_field\.nii\.gz cannot be written: No space left on device"):
        SaveRegistrationd(tmp_path)(registered())
    assert not list(tmp_path.iterdir())


def test_save_registrationd_rejects_a_folder_blocked_by_a_file(tmp_path: Path) -> None:
    (tmp_path / "1_a_b").write_text("in the way")
    with pytest.raises(OSError, match=r"1_a_b.* cannot be written: (File exists|Not a directory)"):
        SaveRegistrationd(tmp_path)(registered(pair="1_a_b"))
