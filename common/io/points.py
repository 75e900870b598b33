"""Key points in files: CSV, and 3D Slicer's .fcsv and .mrk.json, always in world mm, LPS as ITK has it."""

import csv
import json
from pathlib import Path

import numpy as np
import torch

AXES = ("x", "y", "z")
FCSV_COLUMNS = "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"


def read_points(path: str | Path, spatial_dims: int = 3) -> torch.Tensor:
    """Read points.

    Args:
        path: ``.csv`` with the columns x, y (and z), world mm in LPS; Slicer's ``.fcsv`` or ``.mrk.json``, whose own
            coordinate system is honored.
        spatial_dims: 2 or 3.

    Returns:
        ``(N, spatial_dims)``, LPS mm, float64.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such file, a column is missing, a value is no finite number, or there are no points.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    readers = {".json": _read_markups, ".fcsv": _read_fcsv}
    rows = readers.get(path.suffix, _read_csv)(path, spatial_dims)
    try:
        points = np.array(rows, dtype=np.float64).reshape(len(rows), spatial_dims)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} holds a coordinate that is not a number.") from error
    if not len(points) or not np.isfinite(points).all():
        raise ValueError(f"{path} is expected to hold points with finite coordinates, got {len(points)} points.")
    return torch.from_numpy(points)


def _read_csv(path: Path, spatial_dims: int) -> list[list[str]]:
    reader = csv.DictReader(_read_text(path).splitlines(), skipinitialspace=True)
    wanted = AXES[:spatial_dims]
    if missing := [axis for axis in wanted if axis not in (reader.fieldnames or [])]:
        got = ", ".join(reader.fieldnames or []) or "no columns"
        raise ValueError(f"{path} lacks the column {', '.join(missing)}: expected {', '.join(wanted)}, got {got}.")
    return [[row[axis] for axis in wanted] for row in reader]


def _read_fcsv(path: Path, spatial_dims: int) -> list[list[float]]:
    lines = _read_text(path).splitlines()
    system = next((line.split("=")[1].strip() for line in lines if "CoordinateSystem" in line), "LPS")
    rows = [line.split(",") for line in lines if line and not line.startswith("#")]
    if any(len(row) < 4 for row in rows):
        raise ValueError(f"{path} is expected to have the columns {FCSV_COLUMNS}.")
    try:
        return [_to_lps([float(value) for value in row[1:4]], system)[:spatial_dims] for row in rows]
    except ValueError as error:
        raise ValueError(f"{path} holds a coordinate that is not a number.") from error


def _read_markups(path: Path, spatial_dims: int) -> list[list[float]]:
    try:
        markups = json.loads(_read_text(path))["markups"]
        return [
            _to_lps(point["position"], markup.get("coordinateSystem", "LPS"))[:spatial_dims]
            for markup in markups
            for point in markup["controlPoints"]
        ]
    except (KeyError, IndexError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a markups file of 3D Slicer.") from error


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file.") from error


def _to_lps(position: list[float], system: str) -> list[float]:
    flip = -1.0 if system in ("RAS", "0") else 1.0  # old .fcsv files number the systems: 0 is RAS, 1 is LPS
    return [flip * position[0], flip * position[1], *position[2:]]


def format_points(path: str | Path, points: torch.Tensor) -> str:
    """Text of a points file in the format its name asks for.

    Args:
        path: name that ends in ``.csv``, ``.fcsv`` or ``.mrk.json``.
        points: ``(N, d)``, LPS mm.
    """
    rows = [[float(value) for value in point] for point in points]
    padded = [[*row, 0.0][:3] for row in rows]
    suffix = Path(path).suffix
    if suffix == ".json":
        control = [
            {"id": str(i + 1), "label": f"P-{i + 1}", "position": row, "positionStatus": "defined"}
            for i, row in enumerate(padded)
        ]
        markup = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": control}
        return json.dumps({"markups": [markup]}, indent=1)
    if suffix == ".fcsv":
        head = f"# Markups fiducial file version = 5.0\n# CoordinateSystem = LPS\n# columns = {FCSV_COLUMNS}\n"
        lines = [f"{i + 1},{x},{y},{z},0,0,0,1,1,1,0,P-{i + 1},," for i, (x, y, z) in enumerate(padded)]
        return head + "\n".join(lines) + "\n"
    header = ",".join(AXES[: points.shape[1]])
    return "\n".join([header, *(",".join(f"{value:.6f}" for value in row) for row in rows)]) + "\n"


def points_suffix(name: str) -> str:
    """The ending of a points file: ``.mrk.json``, ``.fcsv`` or ``.csv``."""
    return next((suffix for suffix in (".mrk.json", ".fcsv") if name.endswith(suffix)), ".csv")
