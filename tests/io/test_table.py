"""Tables."""

import csv
from pathlib import Path

import pytest

from common.io import read_table, write_table

ROWS = [{"pair": "a, b", "dice": 0.5, "tre_mm": None}, {"pair": "c", "dice": float("nan"), "error": "no overlap"}]


def test_read_table_reads_what_spreadsheets_write(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes('\ufeffname, x\r\n"a\nb", 1\r\nc\r\nd,2,3\r\n'.encode())
    names, rows = read_table(tmp_path / "a.csv")
    assert names == ["name", "x"]
    assert rows == [{"name": "a\nb", "x": "1"}, {"name": "c", "x": None}, {"name": "d", "x": "2", None: ["3"]}]


def test_read_table_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    assert read_table(tmp_path / "a.csv") == ([], [])


def test_read_table_rejects_what_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n" + "1" * 200_000)
    with pytest.raises(ValueError, match=r"a\.csv is not a table: field larger than"):
        read_table(tmp_path / "a.csv")


def test_write_summary_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "summary.csv"
    write_table(path, ROWS)
    with path.open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"pair": "a, b", "dice": "0.5", "tre_mm": "", "error": ""},
            {"pair": "c", "dice": "", "tre_mm": "", "error": "no overlap"},
        ]


def test_write_summary_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "summary.csv"
    write_table(path, ROWS)
    write_table(path, ROWS[:1])
    assert path.read_text() == 'pair,dice,tre_mm\n"a, b",0.5,\n'
    assert list(tmp_path.iterdir()) == [path]


def test_write_summary_keeps_the_old_file_when_it_fails(tmp_path: Path) -> None:
    class Broken:
        def __str__(self) -> str:
            raise OSError("broken")

    path = tmp_path / "summary.csv"
    write_table(path, ROWS[:1])
    with pytest.raises(OSError, match="broken"):
        write_table(path, [{"pair": Broken()}])
    assert path.read_text().startswith("pair,dice")
    assert list(tmp_path.iterdir()) == [path]
