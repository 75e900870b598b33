"""The picture shows what it claims to: orientation, displacement, folds."""

from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread
from numpy.typing import NDArray

from common.reports import _panels as panels
from common.reports._canvas import format_figure
from common.reports._planes import choose_planes
from common.reports.figure import registration_report

REPOSITORY = Path(__file__).parents[2]
SHAPE, SPACING = (18, 22, 26), (2.0, 1.5, 3.0)


def picture(path: Path, **changes: Any) -> NDArray:
    """A report of images that agree after registration, as RGB in [0, 1]."""
    image = np.random.default_rng(0).uniform(0.4, 1.0, SHAPE).astype(np.float32)
    arguments: dict = {
        "fixed": image,
        "moving_before": np.roll(image, 5, 0),
        "warped": image,
        "displacement": np.zeros((3, *SHAPE), np.float32),
        "spacing": SPACING,
        **changes,
    }
    registration_report(path, **arguments)
    return imread(path)[..., :3]


def share(image: NDArray, color: str) -> float:
    """Share of pixels that have a color."""
    return float((np.abs(image - np.array(to_rgb(color))) < 0.05).all(-1).mean())


def column(image: NDArray, number: int) -> NDArray:
    """One of the four columns of panels, without header and footer."""
    return image[40:-60, 25 + 396 * number : 375 + 396 * number]


def test_planes_are_in_radiological_orientation() -> None:
    volume = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    label = np.zeros(SHAPE, np.uint8)
    label[4, 15, 20] = 1
    axial, coronal, sagittal = choose_planes(volume, label)
    assert [plane.name for plane in (axial, coronal, sagittal)] == ["axial 21/26", "coronal 16/22", "sagittal 5/18"]
    # bottom left of the picture: right and back, right and feet, front and feet
    assert axial.cut(volume)[0, 0] == volume[-1, 0, 20]
    assert coronal.cut(volume)[0, 0] == volume[-1, 15, 0]
    assert sagittal.cut(volume)[0, 0] == volume[4, -1, 0]
    # top right: left and front, left and head, back and head
    assert axial.cut(volume)[-1, -1] == volume[0, -1, 20]
    assert coronal.cut(volume)[-1, -1] == volume[0, 15, -1]
    assert sagittal.cut(volume)[-1, -1] == volume[4, 0, -1]
    assert [plane.letters for plane in (axial, coronal, sagittal)] == ["RLPA", "RLIS", "APIS"]
    assert sagittal.size(SHAPE, SPACING) == (33.0, 78.0)


def test_planes_run_through_the_bright_part_without_labels() -> None:
    image = np.zeros(SHAPE)
    image[2:5, 6:9, 20:23] = 1
    assert [plane.position for plane in choose_planes(image)] == [21, 7, 3]
    assert [plane.position for plane in choose_planes(np.zeros(SHAPE))] == [13, 11, 9]


def test_plane_of_two_dimensions() -> None:
    image = np.arange(30).reshape(5, 6)
    (plane,) = choose_planes(image)
    assert plane.cut(image)[0].tolist() == image[::-1, 0].tolist()


@pytest.mark.parametrize(("axis", "expected"), [(0, (0.0, -2.0)), (1, (1.5, 0.0)), (2, (0.0, 0.0))])
def test_plane_displacement_is_in_mm_to_the_right_of_the_picture(axis: int, expected: tuple[float, float]) -> None:
    field = np.zeros((3, *SHAPE))
    field[axis] = 1
    axial = choose_planes(np.ones(SHAPE))[0]
    up_of_axis_1, right_of_axis_0 = expected
    right, up = panels.plane_displacement(axial, field, SPACING)
    assert np.allclose(right, right_of_axis_0)
    assert np.allclose(up, up_of_axis_1)


@pytest.mark.parametrize("number", range(3))
def test_plane_jacobian_is_a_cut_through_the_volume(number: int) -> None:
    field = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
    plane = choose_planes(np.ones(SHAPE))[number]
    slopes = np.stack([np.stack(np.gradient(component), axis=-1) for component in field], axis=-2)
    expected = plane.cut(np.linalg.det(slopes + np.eye(3)))
    np.testing.assert_allclose(panels.plane_jacobian(plane, field)[1:-1, 1:-1], expected[1:-1, 1:-1], atol=1e-4)


@pytest.mark.parametrize(("axis", "name"), [(0, "sagittal"), (1, "coronal"), (2, "axial")])
def test_choose_planes_takes_three_slices_of_a_stack_of_few(axis: int, name: str) -> None:
    label = np.moveaxis(np.zeros((30, 28, 12)), -1, axis)
    label[(slice(None),) * axis + (slice(2, 12),)] = 1
    spacing = np.ones(3)
    spacing[axis] = 8
    planes = choose_planes(np.ones(label.shape), label, spacing.tolist())
    assert [plane.name for plane in planes] == [f"{name} {number}/12" for number in (4, 7, 10)]
    assert planes[1].cut(label).shape in ((28, 30), (30, 28))
    assert len({plane.name for plane in choose_planes(label, None, [1, 1, 1])}) == 3


def test_plane_jacobian_of_a_single_slice() -> None:
    field = np.zeros((3, 9, 8, 1), np.float32)
    field[0] = 0.5 * np.arange(9).reshape(9, 1, 1)
    (plane,) = choose_planes(np.ones((9, 8, 1)))  # the others would be lines
    assert plane.name == "axial 1/1"
    np.testing.assert_allclose(panels.plane_jacobian(plane, field), 1.5, atol=1e-5)


def lines(collection: Any) -> list[np.ndarray]:
    segments: list[np.ndarray] = collection.get_segments()
    return segments


def test_grid_lines_lie_where_the_warp_leaves_them() -> None:
    axes = Figure().add_subplot()
    # picture 20 mm wide; the fixed point x corresponds to the moving point x + 3: the line x = 10 is seen at 7
    displacement = np.stack([np.full((10, 20), 3.0), np.zeros((10, 20))])
    panels.draw_grid(axes, np.zeros((10, 20)), displacement, (20.0, 10.0), step_mm=10)
    upright, level = (lines(collection) for collection in axes.collections)
    assert sorted(round(float(line[:, 0].mean()), 3) for line in upright) == [7.0, 17.0]
    assert not level


def test_outlines_follow_every_label() -> None:
    axes = Figure().add_subplot()
    label = np.zeros((30, 40), int)
    label[5:15, 5:15], label[5:15, 15:25] = 3, 7
    panels.draw_outlines(axes, label, (80.0, 30.0), "white")
    boxes = sorted([*line.min(0), *line.max(0)] for line in lines(axes.collections[0]))
    np.testing.assert_allclose(boxes, [[10, 5, 30, 15], [30, 5, 50, 15]], atol=0.3)


def test_report_is_gray_where_images_agree(tmp_path: Path) -> None:
    image = picture(tmp_path / "report.png")
    assert image.shape[1] == 1600
    before, after = (np.abs(column(image, n)[..., 0] - column(image, n)[..., 1]).mean() for n in (0, 1))
    assert after < 0.01 < 0.1 < before


def test_report_does_not_tint_another_contrast(tmp_path: Path) -> None:
    image = np.random.default_rng(1).uniform(0, 1, SHAPE)
    after = column(picture(tmp_path / "report.png", fixed=image, warped=200 * np.sqrt(image) + 30), 1)
    assert np.abs(after[..., 0] - after[..., 1]).mean() < 0.02


def test_report_marks_folds(tmp_path: Path) -> None:
    field = np.zeros((3, *SHAPE), np.float32)
    assert share(column(picture(tmp_path / "smooth.png", displacement=field), 3), panels.FOLD) == 0
    field[0] = -2 * np.arange(SHAPE[0])[:, None, None]
    assert share(column(picture(tmp_path / "folded.png", displacement=field), 3), panels.FOLD) > 0.8


def test_folds_have_a_color_of_their_own() -> None:
    scale = panels.JACOBIAN_COLORS(np.linspace(0, 1, 256))[:, :3]
    assert np.linalg.norm(scale - to_rgb(panels.FOLD), axis=1).min() > 0.4
    shown = imread(REPOSITORY / "docs" / "demo.jpg") / 255  # a picture made smaller, and compressed
    assert (np.linalg.norm(shown - to_rgb(panels.FOLD), axis=2) < 0.15).any()


def test_report_outlines_labels(tmp_path: Path) -> None:
    label = np.zeros(SHAPE, np.uint8)
    label[4:12, 5:15, 6:20] = 1
    labels = {"fixed": label, "before": np.roll(label, 3, 0), "warped": label}
    image = picture(tmp_path / "report.png", labels=labels)
    assert share(column(image, 0), panels.MOVING_LINE) > 0.002
    assert share(column(picture(tmp_path / "plain.png"), 0), panels.MOVING_LINE) == 0


def test_report_header_takes_room(tmp_path: Path) -> None:
    plain = picture(tmp_path / "plain.png")
    titled = picture(tmp_path / "titled.png", title_lines=["名前", "line"], figures={"Dice": (0.5, 0.9), "n": None})
    assert titled.shape[0] > plain.shape[0] + 50


@pytest.mark.parametrize("shape", [(18, 22), (12, 9, 3)])
def test_report_of_flat_images(tmp_path: Path, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).uniform(size=shape)
    zero = np.zeros((len(shape), *shape))
    registration_report(tmp_path / "report.png", image, image, image, zero, SPACING[: len(shape)])
    assert imread(tmp_path / "report.png").shape[1] == 1600


def test_report_of_constant_images(tmp_path: Path) -> None:
    black = np.zeros(SHAPE)
    picture(tmp_path / "report.png", fixed=black, moving_before=black, warped=black)
    assert [path.name for path in tmp_path.iterdir()] == ["report.png"]


def test_report_is_quick_on_large_volumes(tmp_path: Path) -> None:
    image = np.zeros((192, 160, 256), np.float32)
    image[40:150, 40:120, 60:200] = 1
    start = perf_counter()
    registration_report(tmp_path / "report.png", image, image, image, np.zeros((3, *image.shape)), (1, 1, 1))
    assert perf_counter() - start < 10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fixed": np.zeros(4)}, r"'fixed' with 2 or 3 axes, got \(4,\)"),
        ({"warped": np.zeros((4, 5, 6))}, r"'warped' of shape \(18, 22, 26\), got \(4, 5, 6\)"),
        ({"labels": {"before": np.zeros(4)}}, r"'labels\['before'\]' of shape \(18, 22, 26\), got \(4,\)"),
        ({"displacement": np.zeros((*SHAPE, 3))}, r"'displacement' of shape \(3, 18, 22, 26\), got \(18, 22, 26, 3\)"),
        ({"spacing": (1.0, 1.0)}, r"'spacing' of 3 lengths, got \(1.0, 1.0\)"),
    ],
)
def test_report_rejects(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        picture(tmp_path / "report.png", **changes)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.12345, "0.123"), (1.2345, "1.23"), (123.45, "123.5"), (-0.5, "-0.500"), (7, "7"), (float("nan"), "—")],
)
def test_format_figure(value: float, text: str) -> None:
    assert format_figure(value) == text
