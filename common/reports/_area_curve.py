"""The area of labels over the phases of a cycle, drawn."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from ._canvas import BACKGROUND, MUTED, TEXT, Canvas, draw_header, header_height
from ._cycle import Cycle
from ._panels import FIXED_LINE, MOVING_LINE

COLORS = (MOVING_LINE, "#4cc9f0", "#f072b6", "#7ee081")
WIDTH, HEIGHT, MARGIN, SIDE, BELOW = 1000, 420, 18, 80, 60  # pixels


class Area(NamedTuple):
    """Area of one label at one phase, over all slices; None where there is no such label map."""

    phase: int
    label: int
    registered_mm2: float | None
    annotated_mm2: float | None


def draw_areas(path: str | Path, areas: Sequence[Area], cycle: Cycle) -> None:
    """Draw areas against the phase, in a stack with the volume at the right.

    Args:
        path: PNG file to write.
        areas: of a cycle.
        cycle: whose they are.
    """
    way = (
        f"of phase {cycle.reference} carried to the others"
        if cycle.carried
        else f"registered to phase {cycle.reference}"
    )
    title = ["Area of the label over the cycle", f"{cycle.path.name}: label {way}"]
    figures = _figures(areas, cycle)
    top = header_height(title, figures) + 24
    canvas = Canvas(WIDTH, round(top + HEIGHT + BELOW))
    draw_header(canvas, MARGIN, title, figures)
    axes = canvas.axes(SIDE, top, WIDTH - 2 * SIDE, HEIGHT)
    values = sorted({area.label for area in areas})
    for value, color in zip(values, COLORS * len(values), strict=False):
        of_value = [area for area in areas if area.label == value]
        name = f"label {value}, " if len(values) > 1 else ""
        _draw_label(axes, of_value, name, color)
    _style(axes, cycle)
    canvas.save(path)


def _draw_label(axes: Axes, areas: Sequence[Area], name: str, color: str) -> None:
    registered = [(area.phase, area.registered_mm2) for area in areas if area.registered_mm2 is not None]
    annotated = [(area.phase, area.annotated_mm2) for area in areas if area.annotated_mm2 is not None]
    style: dict[str, Any] = {"color": color, "marker": "o", "markersize": 4}
    if registered:
        axes.plot(*zip(*registered, strict=True), label=f"{name}after registration", **style)
    if annotated:
        ring: dict[str, Any] = {"markeredgecolor": FIXED_LINE, "markerfacecolor": "none", "markersize": 11}
        axes.plot(*zip(*annotated, strict=True), "o", label=f"{name}annotated", markeredgewidth=1.8, **ring)


def _style(axes: Axes, cycle: Cycle) -> None:
    axes.set_axis_on()
    axes.set_facecolor(BACKGROUND)
    axes.set_xlabel("phase", color=TEXT)
    axes.set_ylabel("area (mm²)" if cycle.slice_mm is None else "area, sum of the slices (mm²)", color=TEXT)
    axes.set_xticks(cycle.phases)
    axes.set_xlim(cycle.phases[0] - 0.5, cycle.phases[-1] + 0.5)
    axes.set_ylim(0, 1.08 * axes.get_ylim()[1])
    axes.grid(color=MUTED, alpha=0.2)
    axes.tick_params(colors=MUTED)
    axes.spines[:].set_color(MUTED)
    axes.legend(frameon=False, labelcolor=TEXT, loc="best")
    if cycle.slice_mm is not None:
        factor = cycle.slice_mm / 1000
        right = axes.secondary_yaxis(
            "right", functions=(partial(np.multiply, factor), partial(np.multiply, 1 / factor))
        )
        right.set_ylabel("volume (ml)", color=TEXT)
        right.tick_params(colors=MUTED)
        right.spines[:].set_color(MUTED)


def _figures(areas: Sequence[Area], cycle: Cycle) -> dict[str, Any]:
    """What a cardiologist reads off first; for one label only."""
    known = [area.registered_mm2 for area in areas if area.registered_mm2]
    if not cycle.carried or len({area.label for area in areas}) > 1 or len(known) < 2:
        return {}
    factor, unit = (1.0, "mm²") if cycle.slice_mm is None else (cycle.slice_mm / 1000, "ml")
    largest, smallest = max(known) * factor, min(known) * factor
    return {
        f"largest ({unit})": largest,
        f"smallest ({unit})": smallest,
        "change (%)": 100 * (largest - smallest) / largest,
    }
