"""Cases of several data sets, each of which annotates its own organs with its own numbers.

MONAI's datalists know cases, not data sets.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.io import InputError, read_json

from .cases import EVERY, Case, Cases, find_cases

TABLES = ("annotated", "label_map")


def find_annotated_cases(dataset_dir: str | Path, datalist: str | Path | None = None, every: int = EVERY) -> Cases:
    """Find the cases that have labels, and say of each what its labels mean.

    Args:
        dataset_dir: see `find_cases`.
        datalist: see `find_cases`. Its cases may name a ``"cohort"``; two tables by cohort then say which organs it
            annotates and what its labels are called here (label in the file: organ, or ``[right, left]`` for two of a
            kind that it does not tell apart)::

                {"annotated": {"liver": [6], "kidney": [2, 3]},
                 "label_map": {"liver": {"1": 6, "2": 6}, "kidney": {"1": [2, 3], "2": [2, 3]}},
                 "training": [{"image": "a.nii.gz", "label": "b.nii.gz", "cohort": "liver"}, ...]}

            A case may have an ``"annotated"`` or a ``"label_map"`` of its own.
        every: see `find_cases`.

    Returns:
        Cases by ``"training"`` and ``"validation"``, with ``annotated`` and ``label_map`` where they are said.

    Raises:
        FileNotFoundError: see `find_cases`.
        InputError: see `find_cases`; or if a cohort is missing from ``annotated``, or no case is left.
    """
    tables = _tables(datalist)
    found = Cases({}, str(datalist or dataset_dir))
    for part, cases in find_cases(dataset_dir, datalist, every).items():
        described = [_describe(case, tables) for case in cases if "label" in case]
        found[part] = [case for case in described if case.get("annotated") != []]
        if not found[part]:
            raise InputError(f"No case for {part} has labels: {datalist or dataset_dir} has {len(cases)} without.")
    return found


def _tables(datalist: str | Path | None) -> dict[str, Mapping[str, Any]]:
    if datalist is None or not Path(datalist).is_file():
        return {}
    content = read_json(datalist, dict)
    tables = {name: content[name] for name in TABLES if name in content}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise InputError(f"{datalist} is expected to have a table by cohort named {name}, got {table}.")
    return tables


def _describe(case: Case, tables: Mapping[str, Mapping[str, Any]]) -> Case:
    if "cohort" not in case:
        return case
    cohort = Path(case["cohort"]).name  # MONAI makes a path of whatever is the name of a folder, too
    organs = tables.get("annotated", {cohort: None})
    if cohort not in organs and "annotated" not in case:
        known = ", ".join(organs)
        raise InputError(f"The datalist does not say what {cohort} annotates: 'annotated' has {known or 'nothing'}.")
    said = {name: tables[name][cohort] for name in TABLES if cohort in tables.get(name, {})}
    return {**said, **case, "cohort": cohort}
