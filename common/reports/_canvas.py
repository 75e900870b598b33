"""A dark picture laid out in pixels, from the top left."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from numpy.typing import NDArray

from common.io import write_atomically

BACKGROUND, TEXT, MUTED = "#0e1116", "#e6e8eb", "#8b949e"
DPI = 100
EM_DASH = "—"
TITLE_HEIGHT, LINE_HEIGHT, FIGURES_HEIGHT, BORDER = 34, 20, 66, 14


class Canvas:
    """A picture of ``width`` times ``height`` pixels to put axes and texts on."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=BACKGROUND)
        self.canvas = FigureCanvasAgg(self.figure)

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes without ticks and frame."""
        place = (left / self.width, 1 - (top + height) / self.height, width / self.width, height / self.height)
        axes = self.figure.add_axes(place, facecolor="black")
        axes.set_axis_off()
        return axes

    def text(self, left: float, top: float, text: str, size: float, color: str = TEXT, **style: Any) -> None:
        """Text whose top left corner, or another anchor, is at a pixel."""
        style = {"ha": "left", "va": "top", **style}
        self.figure.text(left / self.width, 1 - top / self.height, text, color=color, fontsize=size, **style)

    def color_bar(
        self, left: float, top: float, width: float, scale: ScalarMappable, ticks: Mapping[float, str]
    ) -> None:
        """Bar of the colors of a scale, with texts at some of its values."""
        bar = self.axes(left, top, width, 10)
        bar.set_axis_on()
        colors = self.figure.colorbar(scale, cax=bar, orientation="horizontal", ticks=list(ticks))
        colors.ax.set_xticklabels(list(ticks.values()), color=MUTED, fontsize=9)
        colors.ax.tick_params(which="both", length=0, pad=2)
        colors.ax.minorticks_off()
        colors.outline.set_visible(False)

    def save(self, path: str | Path) -> None:
        """Write a PNG, atomically. Letters the font lacks, as in names of patients, are no reason to warn."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            write_atomically(path, self._write_png)

    def pixels(self) -> NDArray:
        """The picture as it is, ``(height, width, 3)``, uint8."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            self.canvas.draw()
        return np.asarray(self.canvas.buffer_rgba())[..., :3].copy()

    def _write_png(self, name: str) -> None:
        self.figure.savefig(name, format="png", facecolor=BACKGROUND, pil_kwargs={"compress_level": 3})


def header_height(title_lines: Sequence[str], figures: Mapping[str, Any]) -> float:
    """Pixels that `draw_header` needs."""
    title = TITLE_HEIGHT + LINE_HEIGHT * (len(title_lines) - 1) if title_lines else 0
    return BORDER + title + (FIGURES_HEIGHT if figures else 0)


def draw_header(canvas: Canvas, margin: float, title_lines: Sequence[str], figures: Mapping[str, Any]) -> None:
    """Title, small lines below it, and a row of figures: name above, value below."""
    top: float = BORDER
    for n, line in enumerate(title_lines):
        canvas.text(margin, top, line, 10 if n else 16, MUTED if n else TEXT, weight="normal" if n else "bold")
        top += LINE_HEIGHT if n else TITLE_HEIGHT
    top += 8  # away from the lines above
    step = (canvas.width - 2 * margin) / max(len(figures), 1)
    for n, (name, value) in enumerate(figures.items()):
        left = margin + n * min(step, 260)
        canvas.text(left, top, name, 9, MUTED)
        canvas.text(left, top + 18, format_figure(value), 15, weight="bold")


def format_figure(value: Any) -> str:
    """A number to three digits, a pair as before → after, any text as it is.

    Example:
        >>> format_figure((0.5213, 0.9)), format_figure(12.345), format_figure(None), format_figure("2 of 3")
        ('0.521 → 0.900', '12.3', '—', '2 of 3')
    """
    if isinstance(value, tuple | list):
        return " → ".join(format_figure(each) for each in value)
    if value is None or value != value:
        return EM_DASH
    if isinstance(value, int | str):
        return str(value)
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1
    return f"{value:.{digits}f}"
