"""Courses of trainings in one picture."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.lines import Line2D

from common.reports import learning_curves
from common.reports._canvas import Canvas

HEADER = "epoch,iteration,similarity,loss,val_ncc,val_similarity\n"


@pytest.fixture
def tables(tmp_path: Path) -> list[Path]:
    """Two trainings of three epochs, with one validation each."""
    paths = [tmp_path / name / "metrics.csv" for name in ("b", "c1")]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        rows = [f"{n},{10 * n},{-0.1 * n - number},0,,{'-0.5' if n == 3 else ''}\n" for n in (1, 2, 3)]
        path.write_text(HEADER + "".join(rows))
    return paths


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The lines of the picture that would be written."""
    drawn: list[Line2D] = []
    monkeypatch.setattr(Canvas, "save", lambda canvas, _: drawn.extend(canvas.figure.axes[0].lines))
    return drawn


def test_curves_hold_training_and_validation(tables: list[Path], lines: list[Any]) -> None:
    learning_curves("curves.png", tables)
    curves = [line for line in lines if len(line.get_xdata())]
    assert [list(line.get_xdata()) for line in curves] == [[10, 20, 30], [30], [10, 20, 30], [30]]
    np.testing.assert_allclose(curves[2].get_ydata(), [-1.1, -1.2, -1.3])
    assert curves[0].get_color() == curves[1].get_color() != curves[2].get_color() == curves[3].get_color()


def test_curves_are_called_by_what_differs(tables: list[Path], lines: list[Any], tmp_path: Path) -> None:
    further = tmp_path / "old" / "c1.csv"
    further.parent.mkdir()
    further.write_text(tables[0].read_text())
    learning_curves("curves.png", [*tables, further])
    assert [line.get_label() for line in lines if not len(line.get_xdata())] == ["b", "c1", "old/c1"]


def test_curve_of_one_training_is_called_by_its_folder(tables: list[Path], lines: list[Any]) -> None:
    learning_curves("curves.png", tables[:1])
    assert lines[0].get_label() == "b"


def test_curve_of_a_figure_the_validation_alone_has(tables: list[Path], lines: list[Any]) -> None:
    tables[0].write_text(HEADER + "1,10,-0.5,nan,,\n2,20,-0.6,inf,0.8,\n")
    learning_curves("curves.png", tables[:1], column="ncc")
    assert [list(line.get_xdata()) for line in lines] == [[], [20]]


def test_training_of_one_epoch_is_seen(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(HEADER + "1,3,-0.5,0,,\n")
    learning_curves(tmp_path / "curves.png", [tmp_path / "metrics.csv"])
    pixels = imread(tmp_path / "curves.png")[120:, ..., :3]  # below the legend
    assert (np.abs(pixels - np.divide((0x4C, 0xC9, 0xF0), 255)).max(-1) < 0.01).sum() > 10


def test_ticks_are_where_they_say(tables: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A short training has no iteration 2.5, which would be called 2."""
    said: list[tuple[float, str]] = []

    def draw(canvas: Canvas, _: str) -> None:
        axis = canvas.figure.axes[0].xaxis
        said.extend((place, axis.get_major_formatter()(place)) for place in axis.get_ticklocs())

    monkeypatch.setattr(Canvas, "save", draw)
    tables[0].write_text(HEADER + "".join(f"{n},{n},-0.5,0,,\n" for n in (1, 2, 3)))
    learning_curves("curves.png", tables[:1])
    assert len(said) > 1
    assert all(float(text.replace("\u2212", "-")) == place for place, text in said)


def test_picture_is_written(tables: list[Path], tmp_path: Path) -> None:
    learning_curves(tmp_path / "new" / "curves.png", tables)
    picture = imread(tmp_path / "new" / "curves.png")
    assert picture.shape[1] == 1000
    assert not list((tmp_path / "new").glob(".part*"))
    for color in ((0x4C, 0xC9, 0xF0), (0xFF, 0xC5, 0x3D)):
        assert (np.abs(picture[..., :3] - np.divide(color, 255)).max(-1) < 0.01).sum() > 50


def test_picture_of_many_long_names_grows(tables: list[Path], tmp_path: Path) -> None:
    many = [tmp_path / f"{number}_{'long name ' * 5}" / "metrics.csv" for number in range(9)]
    for path in many:
        path.parent.mkdir()
        path.write_text(tables[0].read_text())
    learning_curves(tmp_path / "few.png", tables)
    learning_curves(tmp_path / "many.png", many)
    assert imread(tmp_path / "many.png").shape[0] > imread(tmp_path / "few.png").shape[0] + 50


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch,similarity\n1,0.5\n", r"is not a table of a training: .* a column iteration"),
        ("iteration,similarity\nten,0.5\n", "is not a table of a training"),
        ("iteration,loss\n10,0.5\n", "no numbers in a column similarity or val_similarity, but iteration, loss"),
        ("iteration,similarity\n", "no numbers in a column similarity or val_similarity, but no rows"),
        ("iteration,similarity\n10,none\n", "no numbers in a column similarity"),
    ],
)
def test_curves_reject_tables(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        learning_curves(tmp_path / "curves.png", [tmp_path / "metrics.csv"])
    assert not (tmp_path / "curves.png").exists()


def test_curves_reject_what_is_not_there(tables: list[Path]) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no file absent\.csv"):
        learning_curves("curves.png", [tables[0], "absent.csv"])
    with pytest.raises(ValueError, match="'tables' with at least one file, got none"):
        learning_curves("curves.png", [])
    with pytest.raises(ValueError, match="expects different tables"):
        learning_curves("curves.png", [tables[0], tables[0]])


def test_curricula_have_a_scale_of_their_own(
    tables: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = ["epoch,iteration,similarity,curriculum_dropout", "1,10,-9,0.5", "2,20,-9.5,0.25", "3,30,-9.7,0"]
    tables[1].write_text("\n".join(rows) + "\n")
    learning_curves(tmp_path / "curves.png", tables)
    assert imread(tmp_path / "curves.png").shape[1] == 1000
    figures = []
    monkeypatch.setattr(Canvas, "save", lambda canvas, _: figures.append(canvas.figure))
    learning_curves("curves.png", tables)
    learning_curves("curves.png", tables[:1])
    plot, scale = figures[0].axes
    (curve,) = scale.lines
    assert [list(curve.get_xdata()), list(curve.get_ydata())] == [[10, 20, 30], [0.5, 0.25, 0]]
    assert curve.get_color() == next(line for line in plot.lines if line.get_label() == "c1").get_color()
    assert len(figures[1].axes) == 1
