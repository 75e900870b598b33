"""How the figures of paper 002 are drawn."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import pearsonr

AXES = ("left-right", "front-back", "foot-head")  # LPS
MOST_HEXAGONS = 60  # along an axis


def correlation_figure(path: Path, true: NDArray, found: NDArray) -> None:
    """Draw the found over the true displacement of landmarks, ``(N, 3)`` each, LPS mm: one picture an axis."""
    figure = Figure(figsize=(12.5, 4.3), layout="constrained")
    counts = []
    for axes, name, x, y in zip(figure.subplots(1, 3), AXES, true.T, found.T, strict=True):
        limit = 1.05 * max(np.abs(x).max(), np.abs(y).max())
        extent = (-limit, limit, -limit, limit)
        hexagons = axes.hexbin(x, y, gridsize=MOST_HEXAGONS, extent=extent, bins="log", mincnt=1, cmap="viridis")
        counts.append(hexagons)
        axes.axline((0, 0), slope=1, color="0.5", linewidth=1, linestyle="--")
        axes.set(xlim=extent[:2], ylim=extent[2:], aspect="equal", xlabel="true displacement (mm)")
        axes.set_title(f"{name}: r = {pearsonr(x, y).statistic:.3f}", fontsize=11)
    figure.axes[0].set_ylabel("found displacement (mm)")
    bar = figure.colorbar(counts[-1], ax=figure.axes, pad=0.01)
    bar.set_label(f"landmarks ({len(true)} in all)")
    figure.savefig(path, dpi=130)


def levels_figure(path: Path, image: NDArray, spacing: tuple[float, ...], fields: Mapping[str, NDArray]) -> None:
    """Draw the field of each level in the middle coronal plane.

    Args:
        path: PNG to write.
        image: what the network sees of the fixed scan, ``(*spatial)``; axes to the right, front and head.
        spacing: mm.
        fields: by the size of their level, ``(3, *spatial)``, LPS mm.
    """
    middle = image.shape[1] // 2
    extent = (0, image.shape[0] * spacing[0], 0, image.shape[2] * spacing[2])
    limits = [np.abs(np.stack([field[axis] for field in fields.values()])[:, :, middle]).max() for axis in range(3)]
    figure = Figure(figsize=(2.6 * (len(fields) + 1), 7.6), layout="constrained")
    grid = figure.subplots(3, len(fields) + 1, squeeze=False)
    for axes, (name, limit) in zip(grid, zip(AXES, limits, strict=True), strict=True):
        row = AXES.index(name)
        axes[0].imshow(_plane(image, middle), cmap="gray", extent=extent, origin="lower")
        axes[0].set_ylabel(f"{name} (mm)", fontsize=11)
        for each, field in zip(axes[1:], fields.values(), strict=True):
            shown = each.imshow(_plane(field[row], middle), cmap="RdBu_r", vmin=-limit, vmax=limit, extent=extent,
                                origin="lower")  # fmt: skip
        figure.colorbar(shown, ax=axes.tolist(), pad=0.005, label="displacement (mm)")
    for each in grid.ravel():
        each.set(xticks=[], yticks=[])
    for each, title in zip(grid[0], ["fixed scan's gradient", *fields], strict=True):
        each.set_title(title, fontsize=10)
    figure.savefig(path, dpi=130)


def _plane(volume: NDArray, position: int) -> NDArray:
    """The patient's right is on the left."""
    return volume[::-1, position].T
