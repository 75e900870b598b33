"""Two tables of results, side by side."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from scipy.stats import wilcoxon

from common.metrics import ColumnComparison, compare_results, comparison_table, wilcoxon_p

HEADER = "pair,error,dice_before,dice_after,hd95_mm_after,tre_mm_after,seconds"
DICE_A, DICE_B = [0.5, 0.6, 0.7, 0.8, 0.9], [0.6, 0.8, 0.75, 0.81, 0.93]


def table(path: Path, dice: Sequence[object], extra: str = "", header: str = HEADER) -> str:
    """A file of results; the rows of the second file come in another order."""
    rows = [f"{number}_x_y,,0.1,{value},{3 + number},,1.5" for number, value in enumerate(dice)]
    path.write_text("\n".join([header, *(reversed(rows) if path.stem == "b" else rows)]) + "\n" + extra)
    return str(path)


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    return table(tmp_path / "a.csv", DICE_A), table(tmp_path / "b.csv", DICE_B)


def test_compare_results_value(files: tuple[str, str]) -> None:
    dice, distance = compare_results(*files)
    assert dice._asdict() == pytest.approx(
        {
            "column": "dice_after",
            "n": 5,
            "median_a": 0.7,
            "median_b": 0.8,
            "mean_a": 0.7,
            "mean_b": 0.778,
            "mean_difference": 0.078,
            "p": 2 / 2**5,  # all of one sign: one of 32 for each side
        }
    )
    assert distance == ColumnComparison("hd95_mm_after", 5, 5, 5, 5, 5, 0, 1)


def test_compare_results_exchanged_changes_the_sign(files: tuple[str, str]) -> None:
    there, back = compare_results(*files)[0], compare_results(*reversed(files))[0]
    assert back.mean_difference == -there.mean_difference
    assert (back.mean_a, back.mean_b, back.p) == (there.mean_b, there.mean_a, there.p)


def test_compare_results_of_a_file_with_itself(files: tuple[str, str]) -> None:
    assert [(row.mean_difference, row.p) for row in compare_results(files[0], files[0])] == [(0, 1), (0, 1)]


def test_compare_results_leaves_out_what_failed_or_is_empty(tmp_path: Path) -> None:
    """Of five shared pairs one failed in each file and one has no Dice; the sixth is in one file only."""
    a = table(tmp_path / "a.csv", [0.5, 0.6, "", 0.8], "8_x_y,went wrong,,,,,\n9_x_y,,,0.3,1,,\nonly_a,,,0.3,1,,\n")
    b = table(tmp_path / "b.csv", [0.6, 0.7, 0.9, "nan"], "8_x_y,,,0.3,1,,\n9_x_y,went wrong,,0.3,1,,\n")
    dice, distance = compare_results(a, b)
    assert (dice.n, dice.mean_a, dice.mean_b) == (2, pytest.approx(0.55), pytest.approx(0.65))
    assert distance.n == 4


def test_compare_results_of_other_columns(tmp_path: Path) -> None:
    """Files of other programs: other order, no error, text, and the mark that spreadsheets put in front."""
    a, b = tmp_path / "a.csv", tmp_path / "b.csv"
    a.write_text("dice,pair,note,sdlogj\n0.5,x,fine,0.1\n", encoding="utf-8-sig")
    b.write_text("pair,note,dice\nx,odd,0.7\n")
    (found,) = compare_results(a, b)
    assert found._replace(mean_difference=0) == ColumnComparison("dice", 1, 0.5, 0.7, 0.5, 0.7, 0, 1)
    assert found.mean_difference == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"There is no file .*b\.csv\."),
        (b"\xff\xfe\x00\x01", r"b\.csv is not a text file"),
        (b"", r"b\.csv is expected to be a CSV file with a column pair, got the first line ''"),
        (b"name;dice\nx;1\n", r"with a column pair, got the first line 'name;dice'"),
        (b"pair,dice_after\n", r"b\.csv lists no pairs"),
        (b"pair,dice_after\nz,1\n", r"share no pair: the first of .*a\.csv is 0_x_y, that of .*b\.csv z"),
        (b"pair,dice_after\nz,1\nz,1\n", r"b\.csv has more than one line of the pair z"),
        (b"pair,dice_after\nz,1,2\n", r"b\.csv has more or fewer cells than columns in the line of z"),
        (b"pair,dice_after,sdlogj\nz,1\n", r"b\.csv has more or fewer cells than columns in the line of z"),
        (b"pair,seconds,dice_before\n0_x_y,1,2\n", "share no figure of a pair that both completed"),
        (b"pair,error,dice_after\n0_x_y,failed,2\n", "share no figure of a pair that both completed"),
    ],
)
def test_compare_results_rejects(content: bytes | None, message: str, files: tuple[str, str]) -> None:
    Path(files[1]).unlink()
    if content is not None:
        Path(files[1]).write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        compare_results(*files)


@pytest.mark.parametrize("differences", [[0.0], [0.0, 0.0, 0.0], [3.0], [1.0, -1.0]])
def test_wilcoxon_p_is_one_without_evidence(differences: list[float]) -> None:
    assert wilcoxon_p(differences) == 1


def test_wilcoxon_p_is_that_of_scipy_and_ignores_the_scale() -> None:
    differences = [math.sin(3.0 * k) + 0.4 for k in range(30)]
    expected = wilcoxon(differences, mode="exact").pvalue
    assert wilcoxon_p(differences) == pytest.approx(expected)
    assert wilcoxon_p([100 * value for value in differences]) == pytest.approx(expected)


def test_wilcoxon_p_on_one_side_of_paper_002() -> None:
    """Its table II: every pair's mean is smaller, which makes W = 153 of 17 pairs; of all signs only one is so."""
    baseline = [2.16, 1.65, 1.91, 2.70, 2.42, 4.15, 4.53, 10.26, 3.57, 2.17, 2.34, 4.72, 1.74, 2.55, 2.31, 2.14, 2.63]
    grown = [1.65, 1.52, 1.77, 2.20, 2.28, 3.17, 2.82, 4.10, 2.70, 2.06, 1.83, 3.25, 1.62, 1.96, 2.10, 1.83, 2.44]
    assert wilcoxon(baseline, grown, alternative="greater").statistic == 153
    differences = [b - a for a, b in zip(baseline, grown, strict=True)]
    assert wilcoxon_p(differences, "less") < 0.0003
    assert wilcoxon_p(differences, "greater") > 0.999
    assert wilcoxon_p([-0.1, -0.2, -0.3, -0.4], "less") == pytest.approx(2**-4)


def test_wilcoxon_p_with_equal_differences_and_zeros() -> None:
    assert 0 < wilcoxon_p([1.0] * 20 + [0.0] * 5) < 1e-4


def test_wilcoxon_p_rejects_nothing() -> None:
    with pytest.raises(ValueError, match="'differences' with at least one number, got none"):
        wilcoxon_p([])


def test_comparison_table_is_aligned(files: tuple[str, str]) -> None:
    lines = comparison_table(compare_results(*files)).splitlines()
    assert lines[0].split() == ["n", "median", "A", "median", "B", "mean", "A", "mean", "B", "B", "-", "A", "p"]
    assert lines[1].split() == ["dice_after", "5", "0.7000", "0.8000", "0.7000", "0.7780", "0.0780", "0.062"]
    assert len({len(line) for line in lines}) == 1
