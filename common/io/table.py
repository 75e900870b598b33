"""Tables: CSV with a line of names."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .atomic import write_atomically
from .files import read_text
from .input_error import InputError


def read_table(path: str | Path) -> tuple[list[str], list[dict[str, Any]]]:
    """Read a table.

    Args:
        path: of a CSV file, the first line of which names the columns.

    Returns:
        The names, and the lines: text by name; None for cells that are missing, and under None those too many.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is no text, or no table.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), skipinitialspace=True)
    try:
        return list(reader.fieldnames or []), list(reader)
    except csv.Error as error:
        raise InputError(f"{path} is not a table: {error}.") from error


def write_table(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one line per pair as CSV, atomically.

    Args:
        path: file to write.
        rows: values by column. Columns come in the order in which they first occur; what a row lacks, or has as None or
            NaN, stays empty.

    Raises:
        OSError: if the file cannot be written.
    """
    write_atomically(path, lambda name: _write_csv(name, rows))


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _write_csv(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    with open(name, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _columns(rows), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: "" if value != value else value for key, value in row.items()} for row in rows)
