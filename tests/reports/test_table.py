"""Tables of many registrations."""

import csv
from pathlib import Path

import pytest

from common.reports.table import comparison_table, write_summary

ROWS = [{"pair": "a, b", "dice": 0.5, "tre_mm": None}, {"pair": "c", "dice": float("nan"), "error": "no overlap"}]


def test_write_summary_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "summary.csv"
    write_summary(path, ROWS)
    with path.open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"pair": "a, b", "dice": "0.5", "tre_mm": "", "error": ""},
            {"pair": "c", "dice": "", "tre_mm": "", "error": "no overlap"},
        ]


def test_write_summary_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "summary.csv"
    write_summary(path, ROWS)
    write_summary(path, ROWS[:1])
    assert path.read_text() == 'pair,dice,tre_mm\n"a, b",0.5,\n'
    assert list(tmp_path.iterdir()) == [path]


def test_write_summary_keeps_the_old_file_when_it_fails(tmp_path: Path) -> None:
    class Broken:
        def __str__(self) -> str:
            raise OSError("broken")

    path = tmp_path / "summary.csv"
    write_summary(path, ROWS[:1])
    with pytest.raises(OSError, match="broken"):
        write_summary(path, [{"pair": Broken()}])
    assert path.read_text().startswith("pair,dice")
    assert list(tmp_path.iterdir()) == [path]


def test_comparison_table_aligns_columns() -> None:
    lines = comparison_table(ROWS).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split() == ["|", "pair", "|", "dice", "|", "tre_mm", "|", "error", "|"]
    assert "| a, b | 0.500 | — " in lines[2]
    assert lines[3].endswith("| no overlap |")


def test_comparison_table_without_rows() -> None:
    assert comparison_table([]) == ""
