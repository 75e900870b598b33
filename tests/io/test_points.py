"""Key points: every format ends in LPS mm."""

import json
from pathlib import Path

import pytest
import torch

from common.io import format_points, points_suffix, read_points

POINTS = [[1.5, -2.0, 30.25], [4.0, 5.5, -6.125]]  # LPS
LPS = torch.tensor(POINTS).double()


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def fcsv(system: str) -> str:
    return f"""# Markups fiducial file version = 4.11
{system}# columns = id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID
vtkMRMLMarkupsFiducialNode_0,1.5,-2.0,30.25,0,0,0,1,1,1,0,F-1,,vtkMRMLScalarVolumeNode1
vtkMRMLMarkupsFiducialNode_1,4.0,5.5,-6.125,0,0,0,1,1,1,0,F-2,,

"""


def markups(**options: str) -> str:
    control = [{"id": str(i), "position": point, "orientation": [-1, 0, 0]} for i, point in enumerate(POINTS)]
    return json.dumps({"@schema": "slicer", "markups": [{"type": "Fiducial", **options, "controlPoints": control}]})


FLIPPED = LPS * torch.tensor([-1, -1, 1])


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.csv", "x,y,z\n1.5,-2,30.25\n4,5.5,-6.125\n", LPS),
        ("a.csv", "\ufeffx, y, z\n1.5, -2, 30.25\n4, 5.5, -6.125\n", LPS),
        ("a.csv", "label,z,y,x\nliver,30.25,-2,1.5\nspleen,-6.125,5.5,4", LPS),
        ("a.fcsv", fcsv("# CoordinateSystem = LPS\n"), LPS),
        ("a.fcsv", fcsv("# CoordinateSystem = RAS\n"), FLIPPED),
        ("a.fcsv", fcsv("# CoordinateSystem = 1\n"), LPS),
        ("a.fcsv", fcsv("# CoordinateSystem = 0\n"), FLIPPED),
        ("a.mrk.json", markups(coordinateSystem="LPS"), LPS),
        ("a.mrk.json", markups(coordinateSystem="RAS"), FLIPPED),
        ("a.mrk.json", markups(), LPS),
        ("a.json", markups(), LPS),
    ],
)
def test_convention_read_points_gives_lps(name: str, text: str, expected: torch.Tensor, tmp_path: Path) -> None:
    points = read_points(write(tmp_path, name, text))
    assert points.dtype == torch.float64
    assert torch.equal(points, expected)


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "x,y\n1.5,-2\n4,5.5"), ("a.fcsv", fcsv("# CoordinateSystem = LPS\n"))]
)
def test_read_points_in_2d(name: str, text: str, tmp_path: Path) -> None:
    assert torch.equal(read_points(write(tmp_path, name, text), 2), LPS[:, :2])


@pytest.mark.parametrize("name", ["a.csv", "a.fcsv", "a.mrk.json"])
@pytest.mark.parametrize("dims", [2, 3])
def test_format_points_round_trip(name: str, dims: int, tmp_path: Path) -> None:
    text = format_points(name, LPS[:, :dims])
    assert torch.equal(read_points(write(tmp_path, name, text), dims), LPS[:, :dims])


def test_format_points_says_lps() -> None:
    assert "CoordinateSystem = LPS" in format_points("a.fcsv", LPS)
    assert json.loads(format_points("a.mrk.json", LPS))["markups"][0]["coordinateSystem"] == "LPS"
    assert format_points("a.csv", LPS).splitlines()[:2] == ["x,y,z", "1.500000,-2.000000,30.250000"]


def test_format_points_keeps_a_micrometer(tmp_path: Path) -> None:
    points = torch.tensor([[-123.456789, 1e-5, 999.999]]).double()
    for name in ("a.csv", "a.fcsv", "a.mrk.json"):
        read = read_points(write(tmp_path, name, format_points(name, points)))
        torch.testing.assert_close(read, points, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "a,b,c\n1,2,3", "lacks the column x, y, z: expected x, y, z, got a, b, c"),
        ("a.csv", "x,y\n1,2", "lacks the column z: expected x, y, z, got x, y"),
        ("a.csv", "1,2,3\n4,5,6", "lacks the column x, y, z"),
        ("a.csv", "", "lacks the column x, y, z"),
        ("a.csv", "x,y,z\n1,2,three", r"a\.csv holds a coordinate that is not a number"),
        ("a.csv", "x,y,z\n1,2,nan", "points with finite coordinates, got 1 points"),
        ("a.csv", "x,y,z\n1,2", "points with finite coordinates, got 1 points"),
        ("a.csv", "x,y,z\n", "points with finite coordinates, got 0 points"),
        ("a.fcsv", "# CoordinateSystem = LPS\n1,2,3\n", r"a\.fcsv is expected to have the columns id,x,y,z"),
        ("a.fcsv", "# CoordinateSystem = LPS\n0,1,2,three\n", r"a\.fcsv holds a coordinate that is not a number"),
        ("a.fcsv", "# CoordinateSystem = LPS\n", "points with finite coordinates, got 0 points"),
        ("a.json", "{", r"a\.json is not a markups file of 3D Slicer"),
        ("a.json", "[]", "is not a markups file"),
        ("a.json", '{"points": []}', "is not a markups file"),
        ("a.json", '{"markups": [{"controlPoints": [{"position": ["1", "2", "3"]}]}]}', "is not a markups file"),
        ("a.json", '{"markups": [{"controlPoints": [{"position": [1]}]}]}', "is not a markups file"),
        ("a.json", '{"markups": []}', "points with finite coordinates, got 0 points"),
    ],
)
def test_read_points_rejects(name: str, text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_points(write(tmp_path, name, text))


def test_read_points_rejects_a_file_that_is_no_text(tmp_path: Path) -> None:
    for name in ("a.csv", "a.fcsv", "a.json"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00binary")
        with pytest.raises(ValueError, match=rf"{name} is not a text file"):
            read_points(tmp_path / name)


def test_read_points_rejects_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no file .*absent\.csv"):
        read_points(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("a.mrk.json", ".mrk.json"), ("b/a.fcsv", ".fcsv"), ("a.csv", ".csv"), ("a.json", ".csv"), ("a", ".csv")],
)
def test_points_suffix(name: str, suffix: str) -> None:
    assert points_suffix(name) == suffix
