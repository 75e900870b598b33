"""Key points in files: CSV, and 3D Slicer's .fcsv and .mrk.json, always in world mm, LPS as ITK has it.

A point may have a name, and it may be undefined: it keeps its line and its name, and has no position. That is an empty
x, y and z in CSV and .fcsv, and the position status "undefined" in .mrk.json, as 3D Slicer writes it.
"""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from .files import existing_file, read_text
from .input_error import InputError
from .table import read_table

AXES = ("x", "y", "z")
LABEL, LABELS = "label", ("label", "name", "id")  # the column written, and those read
FCSV_COLUMNS = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"
FCSV_LABEL, FCSV_STATUS = FCSV_COLUMNS.split(",").index(LABEL), len(FCSV_COLUMNS.split(","))
FCSV_DEFINED = "2"  # of undefined, preview, defined, missing
TO_LPS = {"LPS": 1.0, "1": 1.0, "RAS": -1.0, "0": -1.0}  # sign of x and y; old .fcsv files number the systems
# 3D Slicer opens no file without it.
SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
LINE_ENDS = ("\n", "\r")
FIXED_POINT = 3  # decimals from which on as many in every number are no chance
POINT_ENDINGS = (".csv", ".fcsv", ".mrk.json")


class Points(NamedTuple):
    """Points of the world.

    Attributes:
        positions: ``(N, d)``, LPS mm, float64; NaN where a point is undefined.
        labels: their names, N of them, or none at all.
    """

    positions: torch.Tensor
    labels: tuple[str, ...] = ()

    @property
    def undefined(self) -> list[str]:
        """Names of the undefined points, or where they have none their numbers from 1."""
        names = self.labels or [str(number + 1) for number in range(len(self.positions))]
        missing = self.positions.isnan().any(dim=1).tolist()
        return [name for name, each in zip(names, missing, strict=True) if each]


Row = tuple[Sequence[Any] | None, str]  # a position or none, and a name


def read_points(path: str | Path, spatial_dims: int = 3) -> Points:
    """Read points.

    Args:
        path: ``.csv`` with the columns x, y (and z), world mm in LPS, and names in a column label, name or id; Slicer's
            ``.fcsv`` or ``.mrk.json``, whose own coordinate system is honored.
        spatial_dims: 2 or 3.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is no such file, a column is missing, a value is no finite number, its coordinate system is
            neither LPS nor RAS or its unit not mm, it ends within a number, or no point is defined.
    """
    path = existing_file(path)
    readers = {".json": _read_markups, ".fcsv": _read_fcsv}
    rows = readers.get(path.suffix.lower(), _read_csv)(path, spatial_dims)
    nothing = [np.nan] * spatial_dims
    try:
        positions = [np.array(nothing if p is None else p[:spatial_dims], dtype=np.float64) for p, _ in rows]
        points = np.array(positions).reshape(len(rows), spatial_dims)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} holds a coordinate that is not a number.") from error
    defined = np.array([p is not None for p, _ in rows], dtype=bool)
    if not defined.any() or not np.isfinite(points[defined]).all():
        raise InputError(f"{path} is expected to hold points with finite coordinates, got {defined.sum()} points.")
    labels = tuple(label for _, label in rows)
    return Points(torch.from_numpy(points), labels if any(labels) else ())


def _read_csv(path: Path, spatial_dims: int) -> list[Row]:
    names, rows = read_table(path)
    wanted = AXES[:spatial_dims]
    if missing := [axis for axis in wanted if axis not in names]:
        got = ", ".join(names) or "no columns"
        raise InputError(f"{path} lacks the column {', '.join(missing)}: expected {', '.join(wanted)}, got {got}.")
    if names[-1] in wanted and _is_cut(read_text(path)):
        raise InputError(f"{path} ends within its last number, which has fewer digits than others: is it cut?")
    label = next((name for name in LABELS if name in names), "")
    return [(_position([row[axis] for axis in wanted]), row.get(label) or "") for row in rows]


def _is_cut(text: str) -> bool:
    """Whether the last number of a text without a last line end lacks decimals that all numbers above it have."""
    if text.endswith(LINE_ENDS):
        return False
    *above, last = [len(line.rpartition(",")[2].strip().partition(".")[2]) for line in text.splitlines()[1:]] or [0]
    return len(set(above)) == 1 and FIXED_POINT <= above[0] > last


def _read_fcsv(path: Path, spatial_dims: int) -> list[Row]:
    text = read_text(path)
    lines = text.splitlines()
    system = next((line.split("=")[-1] for line in lines if line.startswith("#") and "CoordinateSystem" in line), "LPS")
    rows = list(csv.reader(line for line in lines if line.strip() and not line.startswith("#")))
    if any(len(row) < 4 for row in rows):
        raise InputError(f"{path} is expected to have the columns {FCSV_COLUMNS}.")
    if rows and not text.endswith(LINE_ENDS) and len(rows[-1]) < min(map(len, rows[:-1]), default=0):
        raise InputError(f"{path} has fewer columns in its last line than above: is it cut?")
    names = [row[FCSV_LABEL] if len(row) > FCSV_LABEL else "" for row in rows]
    # Slicer 5 adds the position status, without naming the column.
    defined = [row[FCSV_STATUS : FCSV_STATUS + 1] in ([], [""], [FCSV_DEFINED]) for row in rows]
    positions = [_position(row[1:4]) if each else None for row, each in zip(rows, defined, strict=True)]
    return [(_to_lps(position, system, path), name) for position, name in zip(positions, names, strict=True)]


def _read_markups(path: Path, spatial_dims: int) -> list[Row]:
    try:
        return [
            (_to_lps(_defined(point), markup.get("coordinateSystem", "LPS"), path), str(point.get("label", "")))
            for markup in json.loads(read_text(path))["markups"]
            if _check_unit(markup, path)
            for point in markup.get("controlPoints", [])
        ]
    except (KeyError, IndexError, TypeError, AttributeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is not a markups file of 3D Slicer.") from error


def _defined(point: dict[str, Any]) -> Sequence[float] | None:
    """Position of a control point; Slicer writes an empty text where there is none."""
    position = point.get("position")
    if point.get("positionStatus", "defined") != "defined" or position in (None, "", []):
        return None
    if len(position) != 3 or any(isinstance(value, bool | str) for value in position):
        raise TypeError(position)
    return [float(value) for value in position]


def _check_unit(markup: dict[str, Any], path: Path) -> bool:
    unit = markup.get("coordinateUnits", "mm")
    if (unit[0] if isinstance(unit, list) else unit) != "mm":
        raise InputError(f"{path} is expected to hold points in mm, got {unit}.")
    return True


def _position(cells: Sequence[str | None]) -> Sequence[str | None] | None:
    """A line without any coordinate is an undefined point."""
    return cells if any(cell is None or cell.strip() for cell in cells) else None


def _to_lps(position: Sequence[Any] | None, system: str, path: Path) -> list[float] | None:
    name = str(system).strip().upper()
    if name not in TO_LPS:
        raise InputError(f"{path} is expected to hold points in LPS or RAS, got the coordinate system {name}.")
    if position is None:
        return None
    try:
        x, y, z = (float(value) for value in position)
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} holds a coordinate that is not a number.") from error
    return [TO_LPS[name] * x, TO_LPS[name] * y, z]


def format_points(path: str | Path, points: torch.Tensor, labels: Sequence[str] = ()) -> str:
    """Text of a points file in the format its name asks for.

    Args:
        path: name that ends in ``.csv``, ``.fcsv`` or ``.mrk.json``.
        points: ``(N, d)``, LPS mm; NaN where a point is undefined.
        labels: names of the points; without any, Slicer's files number them and CSV has no column for them.
    """
    rows = [None if any(np.isnan(point)) else point for point in points.tolist()]
    names = list(labels) or [f"P-{number + 1}" for number in range(len(rows))]
    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        return _format_markups(rows, names)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    if suffix == ".fcsv":
        text.write(f"# Markups fiducial file version = 5.0\n# CoordinateSystem = LPS\n# columns = {FCSV_COLUMNS}\n")
        for number, (row, name) in enumerate(zip(rows, names, strict=True), start=1):
            cells = ["", "", ""] if row is None else [*row, 0.0][:3]
            table.writerow([number, *cells, 0, 0, 0, 1, 1, 1, 0, name, "", ""])
        return text.getvalue()
    dims = points.shape[1]
    table.writerow([*AXES[:dims], *([LABEL] if labels else [])])
    for row, name in zip(rows, names, strict=True):
        cells = [""] * dims if row is None else [f"{value:.6f}" for value in row]
        table.writerow([*cells, *([name] if labels else [])])
    return text.getvalue()


def _format_markups(rows: Sequence[Sequence[float] | None], names: Sequence[str]) -> str:
    control = [
        {"id": str(number), "label": name}
        | (
            {"positionStatus": "undefined"}
            if row is None
            else {"position": [*row, 0.0][:3], "positionStatus": "defined"}
        )
        for number, (row, name) in enumerate(zip(rows, names, strict=True), start=1)
    ]
    markup = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": control}
    return json.dumps({"@schema": SCHEMA, "markups": [markup]}, indent=1)


def points_suffix(name: str) -> str:
    """The ending of a points file: ``.mrk.json``, ``.fcsv`` or ``.csv``."""
    return {".json": ".mrk.json", ".fcsv": ".fcsv"}.get(Path(name).suffix.lower(), ".csv")
