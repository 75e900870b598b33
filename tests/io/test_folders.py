"""Folders for unfinished files, of many processes at once."""

import os
from pathlib import Path

import pytest

from common.io import fresh_folder

# Python 3.12 warns of a fork beside the threads of libraries; the children here touch none of them.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def test_fresh_folder_is_empty_and_goes(tmp_path: Path) -> None:
    with fresh_folder(tmp_path / "new" / "out") as folder:
        assert folder.parent == tmp_path / "new" / "out"
        assert not list(folder.iterdir())
        (folder / "file").touch()
    assert not list((tmp_path / "new" / "out").iterdir())


def test_fresh_folder_goes_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a bug"), fresh_folder(tmp_path):
        raise ValueError("a bug")
    assert not list(tmp_path.iterdir())


def test_fresh_folder_leaves_that_of_a_running_process_and_removes_that_of_a_dead_one(tmp_path: Path) -> None:
    if not os.fork():
        unfinished = fresh_folder(tmp_path)
        unfinished.__enter__()
        os._exit(0)
    os.wait()
    (left,) = tmp_path.iterdir()
    with fresh_folder(tmp_path) as first, fresh_folder(tmp_path) as second:
        assert not left.exists()
        assert first.exists()
        assert second.exists()


def test_fresh_folder_serves_many_processes_at_once(tmp_path: Path) -> None:
    children = []
    for _ in range(4):
        if not (child := os.fork()):
            try:
                for _ in range(100):
                    with fresh_folder(tmp_path) as folder:
                        (folder / "file").touch()
            except BaseException:
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert not list(tmp_path.iterdir())


def test_fresh_folder_rejects_a_file_in_its_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="File exists"), fresh_folder(tmp_path / "file"):
        pass
