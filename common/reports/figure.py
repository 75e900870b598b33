"""One picture that tells whether a registration can be trusted."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from . import _panels as panels
from ._canvas import MUTED, Canvas, draw_header, header_height
from ._planes import Plane, choose_planes

WIDTH, MARGIN, GAP, HEADING, FOOTER = 1600, 18, 6, 28, 44  # pixels
COLUMNS = ("Before", "After", "Deformation", "Jacobian determinant")
STEPS_MM = np.array([0.5, 1, 2, 5, 10, 20, 50])  # between grid lines
NO_LETTERS = " " * 4
SAMPLE = 200_000  # voxels that decide the gray levels


def registration_report(
    path: str | Path,
    fixed: NDArray,
    moving_before: NDArray,
    warped: NDArray,
    displacement: NDArray,
    spacing: Sequence[float],
    labels: Mapping[str, NDArray] | None = None,
    title_lines: Sequence[str] = (),
    figures: Mapping[str, Any] | None = None,
    placed: bool = True,
) -> None:
    """Draw a registration: overlays before and after, deformation grid and Jacobian, in three planes or slices.

    Overlays show the fixed image green and the moving one magenta, gray where they agree; outlines of the fixed labels
    are white, of the moving ones yellow. The patient's right is on the left.

    Convention:
        All arrays are on the fixed grid with axes towards the patient's right, front and head (RAS); in 2-D right and
        front.

    Args:
        path: PNG file to write.
        fixed: fixed image, ``(*spatial)``, 2-D or 3-D.
        moving_before: moving image resampled on the fixed grid before registration, the same shape.
        warped: moving image after registration, the same shape.
        displacement: ``(d, *spatial)``, voxels.
        spacing: voxel size, mm.
        labels: label maps of the same shape by the names ``fixed``, ``before`` and ``warped``, any of them.
        title_lines: the first is the title.
        figures: what was measured, by name with unit: a number, a text, or a pair (before, after).
        placed: the patient's directions are known and their letters are drawn.

    Raises:
        ValueError: if an array has another shape than it should.
        OSError: if the file cannot be written.
    """
    labels, figures = labels or {}, figures or {}
    _check(fixed, moving_before, warped, displacement, spacing, labels)
    planes = choose_planes(fixed, labels.get("fixed"), spacing)
    if not placed:
        planes = [plane._replace(letters=NO_LETTERS) for plane in planes]
    sizes = [plane.size(fixed.shape, spacing) for plane in planes]
    width = (WIDTH - 2 * MARGIN - 3 * GAP) / 4
    heights = [width * size[1] / size[0] for size in sizes]
    top = header_height(title_lines, figures) + HEADING
    canvas = Canvas(WIDTH, round(top + sum(heights) + GAP * (len(heights) - 1) + FOOTER))
    draw_header(canvas, MARGIN, title_lines, figures)
    lefts = [MARGIN + n * (width + GAP) for n in range(4)]
    for left, heading in zip(lefts, COLUMNS, strict=True):
        canvas.text(left, top - 8, heading, 12, va="baseline")
    gray = _gray_levels(fixed, warped if np.ptp(warped) > 0 else moving_before)  # all of it may have been moved out
    step_mm = _grid_step(fixed.shape, spacing)
    for plane, size, height in zip(planes, sizes, heights, strict=True):
        row = [canvas.axes(left, top, width, height) for left in lefts]
        cuts = [gray[n > 0](plane.cut(image)) for n, image in enumerate((fixed, moving_before, warped))]
        _draw_row(row, plane, size, cuts, displacement, spacing, labels, step_mm)
        top += height + GAP
    _draw_legends(canvas, lefts, width, top, labels, step_mm)
    canvas.save(path)


def _check(
    fixed: NDArray,
    moving_before: NDArray,
    warped: NDArray,
    displacement: NDArray,
    spacing: Sequence[float],
    labels: Mapping[str, NDArray],
) -> None:
    if fixed.ndim not in (2, 3):
        raise ValueError(f"registration_report() expects 'fixed' with 2 or 3 axes, got {fixed.shape}.")
    expected = {"moving_before": moving_before, "warped": warped, **{f"labels[{key!r}]": labels[key] for key in labels}}
    for argument, array in expected.items():
        if array.shape != fixed.shape:
            raise ValueError(f"registration_report() expects '{argument}' of shape {fixed.shape}, got {array.shape}.")
    if displacement.shape != (fixed.ndim, *fixed.shape):
        shape = (fixed.ndim, *fixed.shape)
        raise ValueError(f"registration_report() expects 'displacement' of shape {shape}, got {displacement.shape}.")
    if len(spacing) != fixed.ndim:
        raise ValueError(f"registration_report() expects 'spacing' of {fixed.ndim} lengths, got {tuple(spacing)}.")


def _draw_row(
    row: Sequence[Axes],
    plane: Plane,
    size: tuple[float, float],
    cuts: Sequence[NDArray],
    displacement: NDArray,
    spacing: Sequence[float],
    labels: Mapping[str, NDArray],
    step_mm: float,
) -> None:
    fixed, before, after = cuts
    for axes, moving, moment in zip(row[:2], (before, after), ("before", "warped"), strict=True):
        panels.draw_overlay(axes, fixed, moving, size)
        for name, color in (("fixed", panels.FIXED_LINE), (moment, panels.MOVING_LINE)):
            if name in labels:
                panels.draw_outlines(axes, plane.cut(labels[name]), size, color)
    panels.draw_grid(row[2], after, panels.plane_displacement(plane, displacement, spacing), size, step_mm)
    panels.draw_jacobian(row[3], panels.plane_jacobian(plane, displacement), size)
    if "fixed" in labels:
        panels.draw_outlines(row[3], plane.cut(labels["fixed"]), size, MUTED, width=0.7)
    for axes in row:
        axes.set(xlim=(0, size[0]), ylim=(0, size[1]))
        panels.draw_letters(axes, plane)


def _draw_legends(
    canvas: Canvas, lefts: Sequence[float], width: float, top: float, labels: Mapping[str, NDArray], step_mm: float
) -> None:
    """What the colors mean, below the columns."""
    handles: list[Any] = [Patch(color="#00d000", label="fixed"), Patch(color="#d000d0", label="moving")]
    if labels:
        handles += [Line2D([], [], color=panels.FIXED_LINE, label="fixed labels")]
        handles += [Line2D([], [], color=panels.MOVING_LINE, label="moving labels")]
    grid = [Line2D([], [], color=panels.GRID_LINE, label=f"grid of {step_mm:g} mm, warped with the moving image")]
    for left, entries in ((lefts[0], handles), (lefts[2], grid)):
        axes = canvas.axes(left, top, width, FOOTER - 12)
        axes.legend(
            handles=entries,
            loc="center left",
            ncols=len(entries),
            frameon=False,
            labelcolor=MUTED,
            fontsize=9,
            borderpad=0,
            borderaxespad=0,
            handlelength=1.2,
        )
    _draw_color_bar(canvas, lefts[3], top, width)


def _draw_color_bar(canvas: Canvas, left: float, top: float, width: float) -> None:
    scale = ScalarMappable(LogNorm(1 / panels.STRETCH, panels.STRETCH), panels.JACOBIAN_COLORS)
    canvas.color_bar(left, top + 4, width - 110, scale, {1 / 3: "⅓", 0.5: "½", 1: "1", 2: "2", 3: "3"})
    canvas.text(left + width - 96, top + 2, "■", 10, panels.FOLD)
    canvas.text(left + width - 80, top + 2, "folded (≤ 0)", 9, MUTED)


def _gray_levels(fixed: NDArray, warped: NDArray) -> tuple[Callable[[NDArray], NDArray], Callable[[NDArray], NDArray]]:
    """Functions that map the intensities of the fixed and of the moving image to [0, 1].

    The moving image gets the quantiles of the fixed one: another contrast shall not tint what is aligned.
    """
    step = 1 + fixed.size // SAMPLE
    levels = np.linspace(0.005, 0.995, 100)
    of_fixed, of_moving = (np.quantile(image.ravel()[::step], levels) for image in (fixed, warped))
    shown = (of_fixed - of_fixed[0]) / max(of_fixed[-1] - of_fixed[0], 1e-20)
    knots, first = np.unique(of_moving, return_index=True)
    ends = [of_fixed[0], max(of_fixed[-1], np.nextafter(of_fixed[0], np.inf))]
    return lambda image: np.interp(image, ends, [0, 1]), lambda image: np.interp(image, knots, shown[first])


def _grid_step(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """Distance of grid lines, mm: about 24 along the longest side."""
    wanted = np.max(np.multiply(shape, spacing)) / 24
    return float(STEPS_MM[np.abs(np.log(STEPS_MM / wanted)).argmin()])
