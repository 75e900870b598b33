"""The table of many registrations."""

import csv
from pathlib import Path

import pytest

from common.io import write_table

ROWS = [{"pair": "a, b", "dice": 0.5, "tre_mm": None}, {"pair": "c", "dice": float("nan"), "error": "no overlap"}]


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
