"""Files are whole or absent."""

import errno
import os
from pathlib import Path

import pytest

from common.io import save_text, write_atomically


def fail_after_a_few_bytes(error: Exception, name: str) -> None:
    Path(name).write_text("half")
    raise error


DISK_FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_write_atomically_writes(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.nii.gz"
    write_atomically(path, lambda name: Path(name).write_text("whole"))
    assert path.read_text() == "whole"
    assert [file.name for file in path.parent.iterdir()] == ["a.nii.gz"]


def test_write_atomically_keeps_the_ending_and_the_folder(tmp_path: Path) -> None:
    """Writers choose the format by the ending; only within a folder is renaming atomic."""
    names = []
    write_atomically(tmp_path / "a.nii.gz", lambda name: names.append(Path(name)))
    assert names[0].name.endswith("a.nii.gz")
    assert names[0] != tmp_path / "a.nii.gz"
    assert names[0].parent == tmp_path


def test_write_atomically_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    write_atomically(str(path), lambda name: Path(name).write_text("new"))
    assert path.read_text() == "new"


def test_write_atomically_gives_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_atomically(tmp_path / "a", lambda name: Path(name).write_text("new"))
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("error", [DISK_FULL, RuntimeError("itk::ERROR: write failed")])
@pytest.mark.parametrize("old", [None, "old"])
def test_write_atomically_leaves_nothing_half_written(error: Exception, old: str | None, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    if old:
        path.write_text(old)
    with pytest.raises(OSError, match=r"a\.txt cannot be written: (No space left on device|the disk may be full)\."):
        write_atomically(path, lambda name: fail_after_a_few_bytes(error, name))
    assert [file.read_text() for file in tmp_path.iterdir()] == ([old] if old else [])


def test_write_atomically_cleans_up_after_any_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a bug"):
        write_atomically(tmp_path / "a.txt", lambda name: fail_after_a_few_bytes(ValueError("a bug"), name))
    assert not list(tmp_path.iterdir())


def test_write_atomically_rejects_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OSError, match=r"a\.txt cannot be written: Is a directory\."):
        write_atomically(tmp_path / "a.txt", lambda name: Path(name).write_text("new"))


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_write_atomically_rejects_a_file_in_place_of_the_folder(folder: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"file.* cannot be written: (File exists|Not a directory)\."):
        write_atomically(tmp_path / folder / "a.txt", lambda name: Path(name).write_text("new"))
    assert (tmp_path / "file").read_text() == "in the way"


def test_save_text_is_utf8(tmp_path: Path) -> None:
    save_text(tmp_path / "a.txt", "→")
    assert (tmp_path / "a.txt").read_bytes() == "→".encode()
