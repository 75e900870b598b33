"""Key points: every format ends in LPS mm."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from common.io import InputError, Points, format_points, points_suffix, read_points

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
    points = read_points(write(tmp_path, name, text)).positions
    assert points.dtype == torch.float64
    assert torch.equal(points, expected)


@pytest.mark.parametrize(
    ("name", "text"), [("a.csv", "x,y\n1.5,-2\n4,5.5"), ("a.fcsv", fcsv("# CoordinateSystem = LPS\n"))]
)
def test_read_points_in_2d(name: str, text: str, tmp_path: Path) -> None:
    assert torch.equal(read_points(write(tmp_path, name, text), 2).positions, LPS[:, :2])


def slicer(**second: Any) -> str:
    """What 3D Slicer 5 writes of two points, the second one changed."""
    control = [
        {
            "id": str(number + 1),
            "label": f"F-{number + 1}",
            "description": "",
            "associatedNodeID": "vtkMRMLScalarVolumeNode1",
            "position": point,
            "orientation": [-1.0, -0.0, -0.0, -0.0, -1.0, -0.0, 0.0, 0.0, 1.0],
            "selected": True,
            "locked": False,
            "visibility": True,
            "positionStatus": "defined",
        }
        for number, point in enumerate(POINTS)
    ]
    control[1].update(second)
    markup = {
        "type": "Fiducial",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": False,
        "fixedNumberOfControlPoints": False,
        "labelFormat": "%N-%d",
        "lastUsedControlPointNumber": 2,
        "controlPoints": control,
        "measurements": [],
        "display": {"visibility": False, "opacity": 1.0},
    }
    return json.dumps({"@schema": "there/markups-schema-v1.0.3.json#", "markups": [markup]})


LPS_HEAD = "# CoordinateSystem = LPS\n1,1.5,-2,30.25,0,0,0,1,1,1,0,F-1,,,2,0\n"
UNDEFINED = [
    ("a.mrk.json", slicer(position="", positionStatus="undefined")),  # Slicer's own form
    ("a.mrk.json", slicer(position=[0.0, 0.0, 0.0], positionStatus="undefined")),
    ("a.mrk.json", slicer(positionStatus="missing")),
    ("a.mrk.json", slicer(positionStatus="preview")),
    ("a.mrk.json", slicer(position=None)),
    ("a.fcsv", f"{LPS_HEAD}2,0,0,0,0,0,0,1,1,1,0,F-2,,,0,0\n"),
    ("a.fcsv", f"{LPS_HEAD}2,,,,0,0,0,1,1,1,0,F-2,,\n"),
    ("a.csv", "x,y,z,label\n1.5,-2,30.25,F-1\n,,,F-2\n"),
]


@pytest.mark.parametrize(("name", "text"), UNDEFINED)
def test_read_points_keeps_undefined_points_and_all_names(name: str, text: str, tmp_path: Path) -> None:
    points = read_points(write(tmp_path, name, text))
    assert points.labels == ("F-1", "F-2")
    assert points.positions[0].tolist() == POINTS[0]
    assert points.positions[1].isnan().all()
    assert points.undefined == ["F-2"]
    for other in ("b.csv", "b.fcsv", "b.mrk.json"):
        again = read_points(write(tmp_path, other, format_points(other, *points)))
        torch.testing.assert_close(again.positions, points.positions, equal_nan=True)
        assert again.labels == points.labels


def test_read_points_of_slicer(tmp_path: Path) -> None:
    points = read_points(write(tmp_path, "A.MRK.JSON", slicer()))
    assert torch.equal(points.positions, LPS)
    assert points.undefined == []
    line = '1,-1.5,2,30.25,0,0,0,1,1,1,0,"left, ""upper""",a note,vtkMRMLScalarVolumeNode1,2,0'
    points = read_points(write(tmp_path, "A.FCSV", f"# CoordinateSystem = RAS\n{line}\n"))
    assert torch.equal(points.positions, LPS[:1])
    assert points.labels == ('left, "upper"',)


def test_format_points_opens_in_slicer() -> None:
    """It opens no file without a schema of this name."""
    content = json.loads(format_points("a.mrk.json", LPS, ["a", "b"]))
    assert re.fullmatch(r".*markups-schema-v1\.[0-9]+\.[0-9]+\.json#*", content["@schema"])
    assert [point["label"] for point in content["markups"][0]["controlPoints"]] == ["a", "b"]


def test_points_without_names_are_called_by_their_numbers() -> None:
    positions = torch.full((3, 2), torch.nan)
    positions[1] = 0
    assert Points(positions).undefined == ["1", "3"]
    assert format_points("a.csv", positions) == "x,y\n,\n0.000000,0.000000\n,\n"


@pytest.mark.parametrize("name", ["a.csv", "a.fcsv", "a.mrk.json"])
@pytest.mark.parametrize("dims", [2, 3])
def test_format_points_round_trip(name: str, dims: int, tmp_path: Path) -> None:
    text = format_points(name, LPS[:, :dims])
    assert torch.equal(read_points(write(tmp_path, name, text), dims).positions, LPS[:, :dims])


def test_format_points_says_lps() -> None:
    assert "CoordinateSystem = LPS" in format_points("a.fcsv", LPS)
    assert json.loads(format_points("a.mrk.json", LPS))["markups"][0]["coordinateSystem"] == "LPS"
    assert format_points("a.csv", LPS).splitlines()[:2] == ["x,y,z", "1.500000,-2.000000,30.250000"]


def test_format_points_keeps_a_micrometer(tmp_path: Path) -> None:
    points = torch.tensor([[-123.456789, 1e-5, 999.999]]).double()
    for name in ("a.csv", "a.fcsv", "a.mrk.json"):
        read = read_points(write(tmp_path, name, format_points(name, points))).positions
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
        ("a.csv", "x,y,z\n,,\n", "points with finite coordinates, got 0 points"),
        ("a.csv", "x,y,z\n1,,3\n", "holds a coordinate that is not a number"),
        ("a.fcsv", fcsv("# CoordinateSystem = IJK\n"), "points in LPS or RAS, got the coordinate system IJK"),
        ("a.fcsv", fcsv("# CoordinateSystem = 2\n"), "points in LPS or RAS, got the coordinate system 2"),
        ("a.mrk.json", markups(coordinateSystem="IJK"), "points in LPS or RAS, got the coordinate system IJK"),
        ("a.mrk.json", markups(coordinateUnits="um"), "points in mm, got um"),
        ("a.mrk.json", slicer(position=[1.0, 2.0]), "is not a markups file"),
        ("a.mrk.json", slicer(position=[1.0, 2.0, math.nan]), "points with finite coordinates, got 2 points"),
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


@pytest.mark.parametrize("name", ["a.csv", "a.fcsv", "a.mrk.json"])
def test_read_points_notices_every_cut_that_changes_a_point(name: str, tmp_path: Path) -> None:
    points = torch.tensor([[1.5, -2.25, 3.125], [40.5, 50.25, -60.125], [7.75, 8.5, 92.25]], dtype=torch.float64)
    text = format_points(name, points)
    for length in range(len(text) - 1, len(text) - 20, -1):
        try:
            read = read_points(write(tmp_path, name, text[:length])).positions
        except InputError:
            continue
        assert torch.equal(read, points[: len(read)])


def test_read_points_takes_hand_written_files_without_a_last_line_end(tmp_path: Path) -> None:
    for text in ("x,y,z\n1,2,3.5\n4,5,6", "x,y,z\n1,2,3", "x,y,z,label\n1,2,3,a.125\n4,5,6,b"):
        assert len(read_points(write(tmp_path, "a.csv", text)).positions) == text.count("\n")


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
    [
        ("a.mrk.json", ".mrk.json"),
        ("b/a.fcsv", ".fcsv"),
        ("a.csv", ".csv"),
        ("a.JSON", ".mrk.json"),
        ("A.FCSV", ".fcsv"),
        ("a", ".csv"),
    ],
)
def test_points_suffix(name: str, suffix: str) -> None:
    assert points_suffix(name) == suffix
