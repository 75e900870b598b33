"""A cycle as an animated picture: every phase as it was beside its registered one.

Matplotlib's `PillowWriter` gives every frame its own colors, which flicker; here all frames share one palette.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from common.io import write_atomically

from ._canvas import MUTED, Canvas
from ._cycle import Cycle, Labels
from ._panels import FIXED_LINE, MOVING_LINE, draw_letters, draw_outlines, draw_picture

PANEL, MARGIN, GAP, TOP, FOOTER = 400, 14, 8, 66, 30  # pixels
PHASE_MS = 100
CLOSE_UP = 2.2  # what is shown, as a multiple of the label's extent
LEAST_MM = 80.0
YELLOW = np.array([255, 197, 61])


def draw_film(path: str | Path, cycle: Cycle, labels: Mapping[int, Labels]) -> None:
    """Write an animated GIF, one frame a phase.

    Outlines of the fixed labels are white, of the moving ones yellow.

    Args:
        path: GIF file to write.
        cycle: with its results.
        labels: of every phase.
    """
    palette = _palette()
    frames = [
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in _draw(cycle, labels)
    ]
    write_atomically(
        path,
        lambda name: frames[0].save(
            name, format="GIF", save_all=True, append_images=frames[1:], duration=PHASE_MS, loop=0
        ),
    )


def _draw(cycle: Cycle, labels: Mapping[int, Labels]) -> Iterator[NDArray]:
    shown = [label for its in labels.values() for label in its if label is not None]
    image = cycle.original(cycle.reference)
    mask = np.sum([label > 0 for label in shown], axis=0) if shown else np.zeros(image.shape)
    plane = cycle.plane(mask)
    size = plane.size(image.shape, cycle.spacing)
    left, right, bottom, top = _close_up(plane.cut(mask) > 0, size)
    levels = np.quantile(plane.cut(image), (0.005, 0.995))
    height = PANEL * (top - bottom) / (right - left)
    headings = ("original", _describe(cycle))
    for phase in cycle.phases:
        canvas = Canvas(2 * PANEL + 2 * MARGIN + GAP, round(height + TOP + FOOTER))
        canvas.text(MARGIN, 10, f"Phase {phase}", 14, weight="bold")
        canvas.text(
            canvas.width - MARGIN, 14, ", ".join(filter(None, (cycle.path.name, plane.name))), 9, MUTED, ha="right"
        )
        for n, picture in enumerate((cycle.original(phase), cycle.registered(phase))):
            place = MARGIN + n * (PANEL + GAP)
            canvas.text(place, TOP - 8, headings[n], 11, va="baseline")
            axes = canvas.axes(place, TOP, PANEL, height)
            draw_picture(axes, np.interp(plane.cut(picture), levels, (0, 1)), size)
            for label, color in _outlines(cycle, phase, labels[phase], registered=bool(n)):
                draw_outlines(axes, plane.cut(label), size, color, width=1.4)
            draw_letters(axes, plane._replace(name=""))
            axes.set(xlim=(left, right), ylim=(bottom, top))
        if shown:
            canvas.text(MARGIN, canvas.height - 20, "white: fixed label    yellow: moving label", 9, MUTED)
        yield canvas.pixels()


def _describe(cycle: Cycle) -> str:
    return f"phase {cycle.reference} registered to it" if cycle.carried else f"registered to phase {cycle.reference}"


def _outlines(cycle: Cycle, phase: int, labels: Labels, registered: bool) -> list[tuple[NDArray, str]]:
    """What is drawn over the original and over the registered picture of a phase.

    Where one phase is carried to all the others, the original is the fixed scan, and the carried label lies on it too.
    """
    fixed, moving = labels.fixed, labels.warped
    if not (registered or cycle.carried):
        fixed, moving = (labels.fixed, None) if phase == cycle.reference else (None, labels.moving)
    return [(label, color) for label, color in ((fixed, FIXED_LINE), (moving, MOVING_LINE)) if label is not None]


def _close_up(mask: NDArray, size: tuple[float, float]) -> tuple[float, float, float, float]:
    """Left, right, bottom and top of a square around a mask ``(rows, columns)``, mm; of all where it is empty."""
    if not mask.any():
        return 0, size[0], 0, size[1]
    ends = []
    for axis, length in ((1, size[0]), (0, size[1])):
        places = np.flatnonzero(mask.any(axis=1 - axis)) * length / mask.shape[axis]
        ends.append((float(places[0]), float(places[-1])))
    side = min(max(CLOSE_UP * max(end - start for start, end in ends), LEAST_MM), *size)
    starts = [float(np.clip((a + b - side) / 2, 0, n - side)) for (a, b), n in zip(ends, size, strict=True)]
    return starts[0], starts[0] + side, starts[1], starts[1] + side


def _palette() -> Image.Image:
    """Grays, and the yellow of the outlines over some of them."""
    grays = np.linspace(0, 255, 192)[:, None].repeat(3, 1)
    blends = [share * YELLOW + (1 - share) * gray for share in np.linspace(0.25, 1, 8) for gray in (0, 80, 160, 240)]
    colors = np.vstack([grays, blends]).round().astype(np.uint8)
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.resize(colors, (256, 3)).tobytes())
    return palette
