"""The pictures of a registration report, each drawn into given axes; coordinates are mm."""

from collections.abc import Sequence
from typing import Any

import contourpy
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from common.spatial import jacobian_determinant

from ._canvas import TEXT
from ._planes import Plane, select

FIXED_LINE, MOVING_LINE, GRID_LINE, FOLD = "#f5f7fa", "#ffc53d", "#4cc9f0", "#f9ff21"
HALO = [withStroke(linewidth=2.5, foreground="black")]  # keeps letters legible on bright images
STRETCH = 3.0  # the Jacobian's colors end at this factor
JACOBIAN_COLORS = LinearSegmentedColormap.from_list("jacobian", ["#8fd3ff", "#1f6fb2", "#11151c", "#b23a1f", "#ffc59a"])


def draw_picture(axes: Axes, image: NDArray, size: tuple[float, float]) -> None:
    """One image ``(rows, columns)`` in [0, 1], gray."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, **_placed(size))


def draw_overlay(axes: Axes, fixed: NDArray, moving: NDArray, size: tuple[float, float]) -> None:
    """Two images ``(rows, columns)`` in [0, 1], green and magenta: gray where they agree."""
    axes.imshow(np.stack([moving, fixed, moving], axis=-1), **_placed(size))


def draw_outlines(axes: Axes, label: NDArray, size: tuple[float, float], color: str, width: float = 1.0) -> None:
    """Outlines of every label of a map ``(rows, columns)``."""
    lines: list[NDArray] = []
    for value in np.unique(label[label > 0]):
        soft = gaussian_filter((label == value).astype(np.float32), 0.7)  # rounds off the corners of voxels
        lines += _level_lines(soft, [0.5], size)
    axes.add_collection(LineCollection(lines, colors=color, linewidths=width))


def draw_grid(axes: Axes, image: NDArray, displacement: NDArray, size: tuple[float, float], step_mm: float) -> None:
    """A regular grid of the moving scan as the warp leaves it, over the warped image.

    Where a line x = c of the moving scan comes to lie are the fixed points with ``x + u(x) = c``.

    Args:
        axes: where to.
        image: warped image, ``(rows, columns)``, in [0, 1].
        displacement: its components to the right and upwards, ``(2, rows, columns)``, mm.
        size: of the picture, mm.
        step_mm: between lines.
    """
    axes.imshow(0.6 * image, cmap="gray", vmin=0, vmax=1, **_placed(size))
    positions = np.stack(np.meshgrid(*_centers(image.shape, size)))
    for target in positions + displacement:
        levels = np.arange(np.floor(target.min() / step_mm), target.max() / step_mm + 1) * step_mm
        axes.add_collection(LineCollection(_level_lines(target, levels, size), colors=GRID_LINE, linewidths=0.7))


def draw_jacobian(axes: Axes, determinant: NDArray, size: tuple[float, float]) -> None:
    """Where the warp stretches (red) and compresses (blue) on a logarithmic scale, and where it folds."""
    limit = np.log(STRETCH)
    colors = np.log(determinant.clip(1e-6))
    axes.imshow(colors, cmap=JACOBIAN_COLORS, vmin=-limit, vmax=limit, **_placed(size))
    folds = np.ma.masked_greater(determinant, 0)
    fold_color = LinearSegmentedColormap.from_list("fold", [FOLD, FOLD])
    axes.imshow(folds, cmap=fold_color, **{**_placed(size), "interpolation": "nearest"})


def draw_difference(axes: Axes, difference: NDArray, size: tuple[float, float], limit: float) -> None:
    """A difference of two images ``(rows, columns)``, red above 0 and blue below, up to a limit."""
    axes.imshow(difference, cmap=JACOBIAN_COLORS, vmin=-limit, vmax=limit, **_placed(size))


def draw_letters(axes: Axes, plane: Plane) -> None:
    """Patient directions at the edges, the plane's name in the corner."""
    style: dict[str, Any] = {"transform": axes.transAxes, "color": TEXT, "path_effects": HALO}
    places = [(0.015, 0.5, "left", "center"), (0.985, 0.5, "right", "center"), (0.5, 0.01, "center", "bottom")]
    places.append((0.5, 0.99, "center", "top"))
    for letter, (x, y, ha, va) in zip(plane.letters, places, strict=True):
        axes.text(x, y, letter, ha=ha, va=va, fontsize=10, **style)
    axes.text(0.02, 0.98, plane.name, ha="left", va="top", fontsize=9, **style)


def plane_displacement(plane: Plane, displacement: NDArray, spacing: Sequence[float]) -> NDArray:
    """Components to the right and upwards of a field ``(d, *spatial)`` in voxels, ``(2, rows, columns)``, mm."""
    right = -plane.cut(displacement[plane.horizontal]) * spacing[plane.horizontal]  # columns are reversed
    return np.stack([right, plane.cut(displacement[plane.vertical]) * spacing[plane.vertical]])


def plane_jacobian(plane: Plane, displacement: NDArray) -> NDArray:
    """Jacobian determinant of a field ``(d, *spatial)`` in one plane, ``(rows, columns)``."""
    if plane.position is None:
        return plane.cut(_determinant(displacement))
    through = 3 - plane.horizontal - plane.vertical
    start = max(plane.position - 1, 0)
    neighbors = select(displacement, slice(start, plane.position + 2), 1 + through)
    return plane._replace(position=plane.position - start).cut(_determinant(neighbors))


def _placed(size: tuple[float, float]) -> dict[str, Any]:
    return {"extent": (0, size[0], 0, size[1]), "origin": "lower", "interpolation": "bilinear"}


def _determinant(displacement: NDArray) -> NDArray:
    for axis, size in enumerate(displacement.shape[1:], start=1):
        if size == 1:  # a single slice has no neighbor, and nothing changes across it
            displacement = displacement.repeat(2, axis)
    field = torch.from_numpy(np.ascontiguousarray(displacement, dtype=np.float32))
    return jacobian_determinant(field[None], crop=0)[0, 0].numpy()


def _centers(shape: tuple[int, ...], size: tuple[float, float]) -> tuple[NDArray, NDArray]:
    """Positions of columns and rows, mm."""
    rows, columns = shape
    return (np.arange(columns) + 0.5) * size[0] / columns, (np.arange(rows) + 0.5) * size[1] / rows


def _level_lines(values: NDArray, levels: Sequence[float] | NDArray, size: tuple[float, float]) -> list[NDArray]:
    """Curves ``(points, 2)`` in mm along which an array ``(rows, columns)`` has one of the levels."""
    x, y = _centers(values.shape, size)
    generator = contourpy.contour_generator(x, y, values)
    return [np.asarray(line) for level in levels for line in generator.lines(level)]
