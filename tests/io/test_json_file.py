"""JSON, or a sentence."""

from pathlib import Path

import pytest

from common.io.json_file import read_json


def test_read_json_of_any_kind(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes('\ufeff{"ä": [1, null]}'.encode())
    assert read_json(tmp_path / "a.json") == read_json(tmp_path / "a.json", dict) == {"ä": [1, None]}


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"\0", b"[" * 100_000])
def test_read_json_rejects_what_is_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.json is not JSON: "):
        read_json(tmp_path / "a.json")


def test_read_json_rejects_another_kind(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("3")
    with pytest.raises(ValueError, match=r"a\.json is not JSON of the right kind: expected dict, got int\.$"):
        read_json(tmp_path / "a.json", dict)


def test_read_json_wants_a_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no file .*absent\.json"):
        read_json(tmp_path / "absent.json")
