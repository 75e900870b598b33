"""One picture of the registration of two clouds of points."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._canvas import MUTED, Canvas, draw_header, header_height

PANEL, MARGIN, GAP, HEADING, FOOTER = 420, 18, 6, 28, 30  # pixels
PLANES = {
    "Axial": (0, 1, -1),
    "Coronal": (0, 2, 1),
    "Sagittal": (1, 2, 1),
}  # axes, and whether the second grows upwards
FIXED, MOVING = "#4cd964", "#ff5ce0"
MOMENTS = ("Before", "After")
ROOM = 0.05  # around the points, share of the longest side


def cloud_report(
    path: str | Path,
    fixed: NDArray,
    moving: NDArray,
    displaced: NDArray,
    title_lines: Sequence[str] = (),
    figures: Mapping[str, Any] | None = None,
) -> None:
    """Draw both clouds before and after, from three sides: the fixed one green, the moving one magenta.

    The patient's right and front are on the left, head and front above.

    Args:
        path: PNG file to write.
        fixed: ``(N, 3)``, LPS mm.
        moving: ``(M, 3)``, LPS mm.
        displaced: where the registration takes the fixed points, ``(N, 3)``, LPS mm.
        title_lines: the first is the title.
        figures: see `common.reports.registration_report`.

    Raises:
        OSError: if the file cannot be written.
    """
    figures = figures or {}
    top = header_height(title_lines, figures) + HEADING
    width = 2 * MARGIN + len(PLANES) * PANEL + (len(PLANES) - 1) * GAP
    canvas = Canvas(width, int(top + len(MOMENTS) * (PANEL + GAP) + FOOTER))
    draw_header(canvas, MARGIN, title_lines, figures)
    everything = np.concatenate([fixed, moving, displaced])
    middle = (everything.max(0) + everything.min(0)) / 2
    half = (0.5 + ROOM) * float(np.ptp(everything, axis=0).max())
    for column, (plane, (first, second, upwards)) in enumerate(PLANES.items()):
        left = MARGIN + column * (PANEL + GAP)
        canvas.text(left, top - HEADING + 6, plane, 11)
        for row, (moment, cloud) in enumerate(zip(MOMENTS, (fixed, displaced), strict=True)):
            axes = canvas.axes(left, top + row * (PANEL + GAP), PANEL, PANEL)
            for points, color in ((moving, MOVING), (cloud, FIXED)):
                axes.scatter(points[:, first], upwards * points[:, second], s=2, c=color, linewidths=0, alpha=0.7)
            axes.set_xlim(middle[first] - half, middle[first] + half)
            axes.set_ylim(upwards * middle[second] - half, upwards * middle[second] + half)
            axes.text(0.02, 0.98, moment, color=MUTED, fontsize=9, ha="left", va="top", transform=axes.transAxes)
    counts = f"{len(fixed)} fixed points (green), {len(moving)} moving points (magenta)"
    canvas.text(MARGIN, canvas.height - FOOTER + 6, counts, 9, MUTED)
    canvas.save(path)
