"""Two scans are one where their content is."""

import os
from pathlib import Path

import pytest

from common.io import fingerprint


def sha256(path: Path) -> str:
    found = fingerprint(path)
    assert found is not None
    return found["sha256"]


def test_fingerprint_is_that_of_other_programs(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, appendix B.1
    assert fingerprint(tmp_path / "a") == {"file": str(tmp_path / "a"), "bytes": 3, "sha256": digest}


def test_fingerprint_tells_content_alone(tmp_path: Path) -> None:
    for name, content in (("a", "one"), ("b", "one"), ("c", "two")):
        (tmp_path / name).write_text(content)
        os.utime(tmp_path / name, (1, 1))
    assert sha256(tmp_path / "a") == sha256(tmp_path / "b") != sha256(tmp_path / "c")


def test_fingerprint_sees_a_change(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    before = sha256(tmp_path / "a")
    (tmp_path / "a").write_text("three")
    assert sha256(tmp_path / "a") != before


@pytest.mark.parametrize(
    ("name", "header", "voxels"),
    [
        ("a.hdr", "any", "a.img"),
        ("a.mhd", "ObjectType = Image\nElementDataFile = a voxels.raw\n", "a voxels.raw"),
        ("a.nhdr", "NRRD0004\ndata file: b.raw\n\n", "b.raw"),
    ],
)
def test_fingerprint_of_a_header_sees_the_voxels(name: str, header: str, voxels: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(header)
    (tmp_path / voxels).write_text("one")
    before = sha256(tmp_path / name)
    (tmp_path / voxels).write_text("three")
    assert sha256(tmp_path / name) != before


def test_fingerprint_of_a_folder_sees_all_files(tmp_path: Path) -> None:
    (tmp_path / "ct" / "series").mkdir(parents=True)
    (tmp_path / "ct" / "1.dcm").write_text("one")
    before = sha256(tmp_path / "ct")
    (tmp_path / "ct" / "series" / "2.dcm").write_text("two")
    assert sha256(tmp_path / "ct") != before


def test_fingerprint_of_nothing_is_none(tmp_path: Path) -> None:
    assert fingerprint(None) is None
    assert fingerprint(tmp_path / "absent") is None
