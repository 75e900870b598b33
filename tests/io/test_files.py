"""Files that have to be there."""

from pathlib import Path

import pytest

from common.io import existing_file, read_text


def test_existing_file_is_its_path(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert existing_file(str(tmp_path / "a")) == tmp_path / "a"


def test_existing_file_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^There is no file .*absent, which a names\.$"):
        existing_file(tmp_path / "absent", ", which a names")
    with pytest.raises(FileNotFoundError, match=r"^There is no file "):
        existing_file(tmp_path)


def test_read_text_knows_the_mark_of_spreadsheets(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\ufeffä\r\nb".encode())
    assert read_text(tmp_path / "a") == "ä\r\nb"


def test_read_text_rejects_what_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no file .*absent"):
        read_text(tmp_path / "absent")
    (tmp_path / "a").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ValueError, match=r"a is not a text file"):
        read_text(tmp_path / "a")
