"""Courses of several trainings in one picture, from the tables they write.

TensorBoard shows a running training; this is the picture for a page about it.
"""

import math
from collections.abc import Sequence
from os.path import commonpath
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from common.io import InputError, read_table

from ._canvas import MUTED, TEXT, Canvas

WIDTH, HEIGHT, MARGIN, LEFT, BOTTOM, TOP, RIGHT = 1000, 560, 24, 84, 64, 58, 40  # pixels
LEGEND_ROW, LETTER, HANDLE = 22, 7.5, 60  # pixels
TABLE = "metrics"  # the usual name of a table, which tells nothing
COLORS = ("#4cc9f0", "#ffc53d", "#f72585", "#80ed99", "#b388ff", "#ff8a5b", "#f9ff21", "#9aa5b1")
STYLES = ("-", "--", ":")  # of the first, second and third round of colors
CURRICULUM = "curriculum_"  # how the columns of curricula begin, see `common.handlers.Curriculum`


class _Curve(NamedTuple):
    """What was recorded of one column, and at which iterations."""

    iterations: Sequence[int]
    values: Sequence[float]


def learning_curves(path: str | Path, tables: Sequence[str | Path], column: str = "similarity") -> None:
    """Draw a column of several tables of trainings over the iterations.

    The validation's column of the same name, ``val_...``, is drawn with dots in the color of its training, and the
    values of its curricula faintly, with a scale of their own at the right. Curves are called by the folders of their
    tables.

    Args:
        path: PNG file to write.
        tables: ``metrics.csv`` of each training, see `common.handlers.MetricsCsv`.
        column: such as ``similarity`` or ``loss``; of ``dice`` there is only the validation's.

    Raises:
        FileNotFoundError: if a table is not there.
        InputError: if none is given or one is no such table or does not have the column.
        OSError: if the picture cannot be written.
    """
    if not tables:
        raise InputError("learning_curves() expects 'tables' with at least one file, got none.")
    courses = dict(zip(_names(tables), (_read(Path(table), column) for table in tables), strict=True))
    longest = max(map(len, courses))
    across = max(1, int((WIDTH - LEFT - MARGIN) // (longest * LETTER + HANDLE)))
    legend = -(-len(courses) // across) * LEGEND_ROW
    canvas = Canvas(WIDTH, HEIGHT + legend)
    canvas.text(LEFT, MARGIN - 8, column.replace("_", " "), 16, weight="bold")
    trained = any(column in course for course in courses.values())
    validated = any(f"val_{column}" in course for course in courses.values())
    eased = any(_curricula(course) for course in courses.values())
    meaning = ["training, mean of each epoch"] * trained + ["validation, with dots"] * validated
    meaning += ["curriculum, faint, right scale"] * eased
    canvas.text(WIDTH - MARGIN, MARGIN, "; ".join(meaning), 10, MUTED, ha="right")
    axes = canvas.axes(LEFT, TOP + legend, WIDTH - LEFT - MARGIN - RIGHT * eased, HEIGHT - TOP - BOTTOM)
    _style(axes)
    scale = _right_scale(axes) if eased else axes
    for number, (name, course) in enumerate(courses.items()):
        color, style = COLORS[number % len(COLORS)], STYLES[number // len(COLORS) % len(STYLES)]
        axes.plot([], [], color=color, linestyle=style, linewidth=2, label=name)
        if column in course:
            alone = "_" if len(course[column].values) == 1 else ""  # one epoch is no line
            axes.plot(*course[column], color=color, linestyle=style, linewidth=1.5, marker=alone, markersize=14)
        if f"val_{column}" in course:
            axes.plot(*course[f"val_{column}"], color=color, linestyle=style, linewidth=1, marker="o", markersize=4)
        for curve in _curricula(course):
            scale.plot(*curve, color=color, linestyle=style, linewidth=1, alpha=0.5)
    anchor = (0, 1 + (10 + legend) / (HEIGHT - TOP - BOTTOM))
    axes.legend(
        loc="upper left",
        bbox_to_anchor=anchor,
        ncols=across,
        frameon=False,
        labelcolor=TEXT,
        fontsize=10,
        borderpad=0,
        borderaxespad=0,
    )
    canvas.save(path)


def _style(axes: Axes) -> None:
    axes.set_axis_on()
    axes.margins(x=0.01)
    axes.grid(color="#ffffff", alpha=0.1, linewidth=0.7)
    axes.tick_params(colors=MUTED, labelsize=10, length=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter(lambda n, _: f"{n:,.0f}".replace(",", " "))
    axes.set_xlabel("iteration", color=MUTED, fontsize=10)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _right_scale(axes: Axes) -> Axes:
    """Axes over others, for values of another kind."""
    scale = axes.twinx()
    scale.set_ylim(0, None)
    scale.tick_params(colors=MUTED, labelsize=10, length=0)
    for spine in scale.spines.values():
        spine.set_visible(False)
    return scale


def _curricula(course: dict[str, _Curve]) -> list[_Curve]:
    return [curve for name, curve in course.items() if name.startswith(CURRICULUM)]


def _names(tables: Sequence[str | Path]) -> list[str]:
    """What tells the tables apart: their folders, below the one that they share."""
    paths = [Path(table).absolute() for table in tables]
    paths = [path.parent if path.stem == TABLE else path.with_suffix("") for path in paths]
    if len(set(paths)) < len(paths):
        raise InputError(f"learning_curves() expects different tables, got {', '.join(map(str, tables))}.")
    shared = Path(commonpath([path.parent for path in paths]))
    return [str(path.relative_to(shared)) for path in paths]


def _read(path: Path, column: str) -> dict[str, _Curve]:
    """The curves of the column, of training and validation, that a table has, and those of curricula."""
    columns, rows = read_table(path)
    try:
        iterations = [int(row["iteration"]) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not a table of a training: it is expected to have a column iteration.") from error
    curves = {}
    for name in (column, f"val_{column}", *(name for name in columns if name.startswith(CURRICULUM))):
        found = [(n, _number(row.get(name))) for n, row in zip(iterations, rows, strict=True)]
        if known := [(n, value) for n, value in found if math.isfinite(value)]:
            curves[name] = _Curve(*zip(*known, strict=True))
    if not {column, f"val_{column}"} & curves.keys():
        names = ", ".join(rows[0]) if rows else "no rows"
        raise InputError(f"{path} has no numbers in a column {column} or val_{column}, but {names}.")
    return curves


def _number(cell: str | None) -> float:
    """The number in a cell, NaN where there is none."""
    try:
        return float(cell or "nan")
    except ValueError:
        return math.nan
