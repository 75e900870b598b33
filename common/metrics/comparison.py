"""Is one method better than another on the same pairs? The Wilcoxon signed-rank test between two tables of results.

MONAI has metrics but no test between two sets of them.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple

from scipy.stats import wilcoxon

from common.io import InputError, read_table

Row = Mapping[str, str]

NOT_COMPARED = ("pair", "error", "seconds")  # seconds depend on the machine
BEFORE = "_before"  # columns that end so tell about the data


class ColumnComparison(NamedTuple):
    """One figure of two methods over the pairs for which both have it.

    Attributes:
        column: name of the figure.
        n: number of pairs.
        median_a: of the first method.
        median_b: of the second one.
        mean_a: of the first method.
        mean_b: of the second one.
        mean_difference: second less first.
        p: two-sided, of no difference; 1 where all pairs are equal. Not corrected for the number of columns.
    """

    column: str
    n: int
    median_a: float
    median_b: float
    mean_a: float
    mean_b: float
    mean_difference: float
    p: float


def compare_results(path_a: str | Path, path_b: str | Path) -> list[ColumnComparison]:
    """Compare every figure that two tables of results share.

    Rows belong together by their ``pair``. Failed pairs (a filled ``error``) and empty cells are left out, as are
    seconds and the columns from before the registration.

    Args:
        path_a: CSV with one line per pair, as ``summary.csv`` of a list of pairs.
        path_b: another one, of other settings or another method.

    Returns:
        One entry a column, in the order of the first file.

    Raises:
        FileNotFoundError: if a file is not there.
        InputError: if a file is no such table or names a pair twice, or both share no pair or no figure.

    Reference:
        Wilcoxon, "Individual Comparisons by Ranking Methods", Biometrics Bulletin 1945,
        https://doi.org/10.2307/3001968.
    """
    rows_a, rows_b = _read_rows(Path(path_a)), _read_rows(Path(path_b))
    pairs = [pair for pair in rows_a if pair in rows_b]
    if not pairs:
        examples = f"the first of {path_a} is {next(iter(rows_a))}, that of {path_b} {next(iter(rows_b))}"
        raise InputError(f"{path_a} and {path_b} share no pair: {examples}.")
    pairs = [pair for pair in pairs if not (rows_a[pair].get("error") or rows_b[pair].get("error"))]
    columns = [column for column in rows_a[pairs[0]] if column in rows_b[pairs[0]]] if pairs else []
    compared = []
    for column in columns:
        if column in NOT_COMPARED or column.endswith(BEFORE):
            continue
        values = [(_number(rows_a[pair][column]), _number(rows_b[pair][column])) for pair in pairs]
        if known := [(a, b) for a, b in values if a is not None and b is not None]:
            compared.append(_compare_column(column, known))
    if not compared:
        raise InputError(f"{path_a} and {path_b} share no figure of a pair that both completed.")
    return compared


def wilcoxon_p(differences: Sequence[float], alternative: str = "two-sided") -> float:
    """Compute how likely differences at least as far from 0 are, if neither sign is preferred.

    Args:
        differences: one per pair; SciPy leaves out those of 0.
        alternative: "two-sided"; "less" asks only whether they are below 0, "greater" whether above.

    Returns:
        p; 1 if all are 0, where SciPy has none.

    Raises:
        ValueError: if there is no difference.

    Example:
        >>> wilcoxon_p([0.1, 0.2, 0.3, 0.4, 0.5])
        0.0625
        >>> wilcoxon_p([-0.1, -0.2, -0.3, -0.4, -0.5], "less")
        0.03125
    """
    if not differences:
        raise ValueError("wilcoxon_p() expects 'differences' with at least one number, got none.")
    return float(wilcoxon(differences, alternative=alternative).pvalue) if any(differences) else 1.0


def comparison_table(compared: Sequence[ColumnComparison]) -> str:
    """Write a comparison as text, in aligned columns."""
    header = ("", "n", "median A", "median B", "mean A", "mean B", "B - A", "p")
    lines = [header] + [
        (row.column, str(row.n), *(f"{value:.4f}" for value in row[2:-1]), f"{row.p:.2g}") for row in compared
    ]
    widths = [max(len(line[place]) for line in lines) for place in range(len(header))]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in lines
    )


def _compare_column(column: str, values: Sequence[tuple[float, float]]) -> ColumnComparison:
    first, second = zip(*values, strict=True)
    differences = [b - a for a, b in values]
    return ColumnComparison(
        column,
        len(values),
        median(first),
        median(second),
        mean(first),
        mean(second),
        mean(differences),
        wilcoxon_p(differences),
    )


def _number(cell: str) -> float | None:
    """The number in a cell; none where it is empty, text, NaN or infinite."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _read_rows(path: Path) -> dict[str, Row]:
    """Rows by the name of their pair."""
    names, rows = read_table(path)
    if "pair" not in names:
        first = ", ".join(names)[:80]
        raise InputError(f"{path} is expected to be a CSV file with a column pair, got the first line '{first}'.")
    if not rows:
        raise InputError(f"{path} lists no pairs.")
    return _by_pair(rows, path)


def _by_pair(rows: Sequence[Row], path: Path) -> dict[str, Row]:
    named: dict[str, Row] = {}
    for row in rows:
        if None in row or None in row.values():
            raise InputError(f"{path} has more or fewer cells than columns in the line of {row['pair']}.")
        if row["pair"] in named:
            raise InputError(f"{path} has more than one line of the pair {row['pair']}.")
        named[row["pair"]] = row
    return named
