import csv
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.engines import Segmenter, label_scans
from common.engines.labeling import report_rows, volumes_ml
from common.io import InputError, save_scan

AFFINE = np.diag([2.0, 5.0, 10.0, 1.0])  # 0.1 ml a voxel


class Threshold(Segmenter):
    """Organ 1 is what is above 10, organ 2 what is above 20."""

    organ_count = 2

    def __init__(self, weights: str = "1") -> None:
        self.seen = 0
        self.provenance = {"weights": {"sha256": weights}, "settings": {"spacing": (2, 2, 2)}}

    def __call__(self, scan: MetaTensor) -> MetaTensor:
        self.seen += 1
        label = (scan.as_tensor() > 10).int() + (scan.as_tensor() > 20).int()
        return MetaTensor(label, affine=scan.affine, meta={"stored_dtype": "uint8"})


def write(path: Path, values: Sequence[float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.array(values, dtype=np.float32).reshape(-1, 1, 2), AFFINE), path)


def read(path: Path) -> list[int]:
    return np.asarray(nib.load(path).dataobj).ravel().tolist()


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "report.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name, values in (("a", [0, 15, 25, 25]), ("b", [5, 15, 15, 25])):
        write(tmp_path / "images" / f"{name}.nii.gz", values)
    return tmp_path / "images"


def test_label_scans_writes_label_maps_and_volumes(images: Path, tmp_path: Path) -> None:
    (images / ".hidden").touch()
    label_scans(Threshold(), images, tmp_path / "out", save_scan)
    assert read(tmp_path / "out" / "a.nii.gz") == [0, 1, 2, 2]
    np.testing.assert_array_equal(nib.load(tmp_path / "out" / "a.nii.gz").affine, AFFINE)
    assert [tuple(row.values()) for row in rows(tmp_path / "out")] == [
        ("a", "1", "0.1", "", ""),
        ("a", "2", "0.2", "", ""),
        ("b", "1", "0.2", "", ""),
        ("b", "2", "0.1", "", ""),
    ]


def test_complete_scans_are_not_done_again(images: Path, tmp_path: Path) -> None:
    first, second = Threshold(), Threshold()
    label_scans(first, images, tmp_path / "out", save_scan)
    (tmp_path / "out" / "b.nii.gz").unlink()
    before = (tmp_path / "out" / "report.csv").read_text()
    label_scans(second, images, tmp_path / "out", save_scan)
    assert (first.seen, second.seen) == (2, 1)
    assert (tmp_path / "out" / "report.csv").read_text() == before


def relabel(images: Path, out: Path, weights: str = "1") -> int:
    """Number of scans that were segmented."""
    segmenter = Threshold(weights)
    label_scans(segmenter, images, out, save_scan)
    return segmenter.seen


def test_scans_are_done_again_with_another_network_or_content(
    images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="common"):
        assert [relabel(images, tmp_path / "out", weights) for weights in ("1", "1", "2")] == [2, 0, 2]
        write(images / "b.nii.gz", [0, 0, 0, 30])
        assert relabel(images, tmp_path / "out", "2") == 1
    for line in ("[1/2] a is complete: same scan and network", "[1/2] a is done again: another weights"):
        assert line in caplog.messages
    assert "[2/2] b is done again: inputs differ: image" in caplog.messages
    assert read(tmp_path / "out" / "b.nii.gz") == [0, 0, 0, 2]


def test_label_maps_of_others_and_edited_ones_are_kept(images: Path, tmp_path: Path) -> None:
    write(tmp_path / "out" / "a.nii.gz", [1, 1, 1, 1])
    assert relabel(images, tmp_path / "out") == 1
    write(tmp_path / "out" / "b.nii.gz", [2, 2, 2, 2])
    assert relabel(images, tmp_path / "out", "2") == 0
    assert read(tmp_path / "out" / "a.nii.gz") + read(tmp_path / "out" / "b.nii.gz") == [1] * 4 + [2] * 4


@pytest.mark.parametrize("damage", [b"", b"[]", b"\xff", b'{"a.nii.gz": 3}', b"[" * 100_000])
def test_damaged_records_keep_what_is_there(damage: bytes, images: Path, tmp_path: Path) -> None:
    relabel(images, tmp_path / "out")
    (tmp_path / "out" / "made_of.json").write_bytes(damage)
    assert relabel(images, tmp_path / "out", "2") == 0


def test_true_labels_win(images: Path, tmp_path: Path) -> None:
    write(tmp_path / "labels" / "a.nii", [7, 7, 0, 0])  # in another format
    label_scans(Threshold(), images, tmp_path / "out", save_scan, tmp_path / "labels", {"7": 2})
    assert read(tmp_path / "out" / "a.nii.gz") == [2, 2, 0, 0]
    assert read(tmp_path / "out" / "b.nii.gz") == [0, 1, 1, 2]


def test_true_labels_may_have_their_axes_in_another_order(images: Path, tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir(exist_ok=True)
    write(tmp_path / "labels" / "a.nii.gz", [1, 2, 0, 0])
    label = nib.load(tmp_path / "labels" / "a.nii.gz")
    nib.save(label.as_reoriented(np.array([[0, -1], [1, 1], [2, 1]])), tmp_path / "labels" / "a.nii.gz")
    label_scans(Threshold(), images, tmp_path / "out", save_scan, tmp_path / "labels")
    assert read(tmp_path / "out" / "a.nii.gz")[:2] == [1, 2]


def test_bad_scan_is_told_and_the_others_go_on(images: Path, tmp_path: Path) -> None:
    (images / "aa.nii.gz").write_text("no scan")
    write(tmp_path / "labels" / "b.nii.gz", [1, 1])
    segmenter = Threshold()
    with pytest.raises(InputError, match=r"^2 of 3 scans failed: aa, b\.$"):
        label_scans(segmenter, images, tmp_path / "out", save_scan, tmp_path / "labels")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.nii.gz", "made_of.json", "report.csv"]
    assert segmenter.seen == 1  # the label map of b was looked at first
    assert "cannot be read as an image" in rows(tmp_path / "out")[2]["error"]
    assert "expected to have the shape (2, 1, 2) of its scan, got (1, 1, 2)" in rows(tmp_path / "out")[3]["error"]


def test_volumes_by_hand() -> None:
    label = MetaTensor(torch.tensor([0, 1, 1, 3]).reshape(1, 4, 1, 1), affine=torch.from_numpy(AFFINE))
    assert volumes_ml(label, 3) == pytest.approx({1: 0.2, 2: 0.0, 3: 0.1})
    others: Any = torch.where(label == 0, 2**31 - 1, label)  # a list of all numbers would fill the memory
    assert volumes_ml(others, 3) == volumes_ml(label, 3)


def test_report_flags_outliers_and_what_is_missing() -> None:
    """Median 100, median deviation 2: more than 3 * 1.4826 * 2 = 8.9 away stands out."""
    volumes = {name: {1: volume} for name, volume in zip("abcdefg", [98, 100, 102, 97, 108.8, 91.0, 0], strict=True)}
    volumes["h"] = {1: 102}
    flags = {row["scan"]: row["flag"] for row in report_rows(volumes)}
    assert flags == {"a": "", "b": "", "c": "", "d": "", "e": "", "f": "outlier", "g": "missing", "h": ""}


def test_report_of_equal_volumes_flags_nothing() -> None:
    assert {row["flag"] for row in report_rows({name: {1: 0.1 + 0.2} for name in "abc"})} == {""}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"images": "absent"}, FileNotFoundError, r"There is no folder .*absent"),
        ({"labels": "absent"}, FileNotFoundError, r"There is no folder .*absent"),
        ({"images": "empty"}, ValueError, r"empty holds no scans"),
        ({"images": "twice"}, ValueError, r"twice holds two scans of one name, a\.nii and a\.nii\.gz"),
        ({"output": "images"}, ValueError, r"--output is expected to be another folder than that of the input"),
    ],
)
def test_wrong_folders_raise(
    images: Path, tmp_path: Path, change: dict[str, str], error: type[Exception], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("a.nii", "a.nii.gz"):
        write(tmp_path / "twice" / name, [1, 2])
    folders: dict[str, Any] = {"images": images, "output": tmp_path / "out"} | {
        key: tmp_path / name for key, name in change.items()
    }
    with pytest.raises(error, match=message):
        label_scans(Threshold(), save=save_scan, **folders)
