"""Tables of many registrations: a CSV file to compute with, a text to read."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.transforms.atomic import write_atomically

from ._canvas import format_figure


def write_summary(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write one line a pair as CSV, atomically.

    Args:
        path: file to write.
        rows: values by column. Columns come in the order in which they first occur; what a row lacks, or has as None or
            NaN, stays empty.

    Raises:
        OSError: if the file cannot be written.
    """
    write_atomically(path, lambda name: _write_csv(name, rows))


def comparison_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Lay out rows as text with aligned columns; numbers to three digits, pairs as before → after.

    Args:
        rows: values by column, as for `write_summary`.

    Returns:
        Lines of a Markdown table; nothing without rows.

    Example:
        >>> print(comparison_table([{"pair": "a", "dice": (0.5, 0.875)}, {"pair": "b"}]))
        | pair | dice          |
        |------|---------------|
        | a    | 0.500 → 0.875 |
        | b    |               |
    """
    if not rows:
        return ""
    columns = _columns(rows)
    cells = [columns, *[[format_figure(row[name]) if name in row else "" for name in columns] for row in rows]]
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns))]
    lines = ["| " + " | ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)) + " |" for line in cells]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _write_csv(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    with open(name, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _columns(rows), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: "" if value != value else value for key, value in row.items()} for row in rows)
