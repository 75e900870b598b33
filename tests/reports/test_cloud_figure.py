"""The picture of two clouds: what lies where."""

from pathlib import Path

import matplotlib.image
import numpy as np

from common.reports.cloud_figure import FIXED, GAP, HEADING, MARGIN, MOVING, PANEL, cloud_report


def count(picture: np.ndarray, color: str, row: int, column: int) -> tuple[int, int, int, int]:
    """Pixels near a color in the quarters of a panel without text, left to right, top to bottom."""
    top, left = HEADING + 14 + row * (PANEL + GAP), MARGIN + column * (PANEL + GAP)
    panel = picture[top : top + PANEL, left : left + PANEL, :3]
    wanted = [int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    near = np.abs(panel - wanted).max(2) < 0.35
    half = PANEL // 2
    quarters = [near[:half, :half], near[:half, half:], near[half:, :half], near[half:, half:]]
    first, second, third, fourth = (int(quarter.sum()) for quarter in quarters)
    return first, second, third, fourth


def test_clouds_are_where_a_radiologist_looks_for_them(tmp_path: Path) -> None:
    """The fixed cloud lies right, in front and below; the moving one left, behind and above; after, on one another."""
    random = np.random.default_rng(0)
    fixed = random.uniform(-1, 1, (300, 3)) * 8 + [-30, -30, -30]
    moving = random.uniform(-1, 1, (300, 3)) * 8 + [30, 30, 30]
    cloud_report(tmp_path / "report.png", fixed, moving, moving)
    picture = matplotlib.image.imread(tmp_path / "report.png")
    corners = {0: (0, 3), 1: (2, 1), 2: (2, 1)}  # quarters of the fixed and the moving cloud: axial, coronal, sagittal
    for column, (of_fixed, of_moving) in corners.items():
        for color, quarter in ((FIXED, of_fixed), (MOVING, of_moving)):
            found = count(picture, color, 0, column)
            assert found[quarter] > 200
            assert sum(found) < found[quarter] + 50  # but for the letters
        assert sum(count(picture, FIXED, 1, column)) - count(picture, FIXED, 1, column)[of_moving] < 50


def test_points_and_figures_are_told(tmp_path: Path) -> None:
    points = np.random.default_rng(0).uniform(-50, 50, (20, 3))
    sizes = []
    for name, told in (("plain", {}), ("told", {"title_lines": ["A pair"], "figures": {"TRE (mm)": (12.0, 2.0)}})):
        cloud_report(tmp_path / f"{name}.png", points, points[:7], points, **told)  # type: ignore[arg-type]
        sizes.append(matplotlib.image.imread(tmp_path / f"{name}.png").shape)
    assert sizes[1][0] > sizes[0][0]
    assert sizes[1][1] == sizes[0][1] == 2 * MARGIN + 3 * PANEL + 2 * GAP
