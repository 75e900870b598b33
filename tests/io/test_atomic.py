"""Files are whole or absent."""

import errno
import os
from pathlib import Path

import pytest

from common.io import check_replaceable, save_text, write_atomically, write_together

# Python 3.12 warns of a fork beside the threads of libraries; the children here touch none of them.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


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
    """Writers choose the format by the ending; only on one disk is renaming atomic."""
    names = []
    write_atomically(tmp_path / "a.nii.gz", lambda name: names.append(Path(name)))
    assert names[0].name.endswith("a.nii.gz")
    assert names[0] != tmp_path / "a.nii.gz"
    assert names[0].parent.parent == tmp_path


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


NAMES = ("field.nii.gz", "label.nii.gz", "metrics.json")


def write(folder: Path, names: tuple[str, ...] = NAMES, text: str = "new") -> None:
    def write_all(part: Path) -> None:
        for name in names:
            save_text(part / name, text)

    write_together(folder, NAMES, write_all)


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_write_together_leaves_no_file_of_an_earlier_time_and_all_of_others(tmp_path: Path) -> None:
    write(tmp_path / "pair", text="old")
    (tmp_path / "pair" / "notes.txt").write_text("mine")
    write(tmp_path / "pair", ("field.nii.gz", "metrics.json"))
    assert texts(tmp_path / "pair") == {"field.nii.gz": "new", "metrics.json": "new", "notes.txt": "mine"}


@pytest.mark.parametrize("error", [DISK_FULL, ValueError("a bug")])
def test_write_together_keeps_the_old_files_where_one_fails(error: Exception, tmp_path: Path) -> None:
    def fail(part: Path) -> None:
        save_text(part / "field.nii.gz", "new")
        raise error

    write(tmp_path, text="old")
    with pytest.raises(type(error), match=r"No space left on device|a bug"):
        write_together(tmp_path, NAMES, fail)
    assert texts(tmp_path) == dict.fromkeys(NAMES, "old")


def test_write_together_keeps_the_old_files_where_one_cannot_be_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, text="old")
    move = os.replace

    def fail_once(source: Path, target: Path) -> None:
        if target == tmp_path / "label.nii.gz":
            monkeypatch.undo()
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        move(source, target)

    monkeypatch.setattr(os, "replace", fail_once)
    with pytest.raises(OSError, match="cannot be written: Input/output error"):
        write(tmp_path)
    assert texts(tmp_path) == dict.fromkeys(NAMES, "old")


def test_write_together_tells_the_final_place(tmp_path: Path) -> None:
    def fail(part: Path) -> None:
        write_atomically(part / "field.nii.gz", lambda name: fail_after_a_few_bytes(DISK_FULL, name))

    with pytest.raises(OSError, match=rf"^{tmp_path}/field\.nii\.gz cannot be written: No space left on device\.$"):
        write_together(tmp_path, NAMES, fail)


def test_write_together_rejects_a_folder_in_the_way_before_it_writes(tmp_path: Path) -> None:
    (tmp_path / "label.nii.gz").mkdir()
    with pytest.raises(OSError, match=r"label\.nii\.gz cannot be written: it is a folder\.$"):
        write(tmp_path)
    with pytest.raises(OSError, match=r"label\.nii\.gz cannot be written: it is a folder\.$"):
        check_replaceable(tmp_path, NAMES)
    assert [path.name for path in tmp_path.iterdir()] == ["label.nii.gz"]


@pytest.mark.parametrize("moves", range(1, 6))
def test_write_together_of_a_killed_process_never_mixes(moves: int, tmp_path: Path) -> None:
    """Killed after any number of renames: the files that are there are of one time, or the last one is not there."""
    write(tmp_path, text="old")
    if not os.fork():
        move, done = os.replace, []

        def killing(source: Path, target: Path) -> None:
            move(source, target)
            done.append(Path(source).parent.name in ("new", "old") or Path(target).parent.name in ("new", "old"))
            if sum(done) == moves + len(NAMES):  # those within the new folder are the writer's own
                os._exit(0)

        vars(os)["replace"] = killing
        write(tmp_path)
        os._exit(0)
    os.wait()
    there = {path.name: path.read_text() for path in tmp_path.iterdir() if path.is_file()}
    assert len(set(there.values())) <= 1
    assert "metrics.json" not in there or set(there) == set(NAMES)
    write(tmp_path)
    assert texts(tmp_path) == dict.fromkeys(NAMES, "new")


def test_write_together_of_two_processes_never_mixes(tmp_path: Path) -> None:
    children = []
    for text in ("first", "second"):
        if not (child := os.fork()):
            for _ in range(30):
                write(tmp_path, text=text)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert texts(tmp_path) in [dict.fromkeys(NAMES, text) for text in ("first", "second")]
