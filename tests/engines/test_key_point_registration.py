"""The way of clouds: what comes of points alone, and of scans."""

from pathlib import Path

import pytest
import torch

from common.engines import key_point_postprocessing, key_point_preprocessing
from common.io import format_points, read_field, read_points
from common.phantoms import torso_phantom, write_phantom
from common.reports import read_record
from common.transforms import CaseGrid

SCALE_MM = (100.0, 100.0, 100.0)


@pytest.fixture
def pair(tmp_path: Path) -> dict[str, str]:
    """Clouds and landmarks in files, the moving ones 12 mm towards the head."""
    torch.manual_seed(0)
    points, step = torch.rand(80, 3, dtype=torch.float64) * 100, torch.tensor([0.0, 0.0, 12.0])
    files = {
        "fixed_cloud": points,
        "moving_cloud": points.flip(0) + step,
        "fixed_keypoints": points[:5] + 1,
        "moving_keypoints": points[:5] + 1 + step,
    }
    for name, each in files.items():
        (tmp_path / f"{name}.csv").write_text(format_points("points.csv", each))
    return {name: str(tmp_path / f"{name}.csv") for name in files}


def test_points_alone_become_a_field_and_its_measures(pair: dict[str, str], tmp_path: Path) -> None:
    way = key_point_preprocessing(CaseGrid(), SCALE_MM)(pair)
    assert way["image"].shape == (160, 4)
    way["pred"] = torch.zeros(80, 3)  # all that is left after the centers are laid on one another
    key_point_postprocessing(tmp_path / "out", SCALE_MM, 4.0, 0.1)(way)
    record = read_record(tmp_path / "out")
    assert record["tre_mm"]["before"] == pytest.approx(12)
    assert record["tre_mm"]["after"] == pytest.approx(0, abs=1e-4)
    assert "similarity" not in record
    written = {path.name for path in (tmp_path / "out").iterdir()}
    files = {"displacement_field.nii.gz", "warped_keypoints.csv", "displaced_cloud.csv", "report.png"}
    assert written == files | {"metrics.json"}
    assert set(record["files"]) == written - {"metrics.json"}
    displaced = read_points(tmp_path / "out" / "displaced_cloud.csv").positions
    expected = read_points(pair["fixed_cloud"]).positions + torch.tensor([0, 0, 12.0])
    torch.testing.assert_close(displaced, expected, atol=1e-4, rtol=0)
    field = read_field(tmp_path / "out" / "displacement_field.nii.gz").displacement
    torch.testing.assert_close(field[0, 2], torch.full_like(field[0, 2], 12.0), atol=1e-3, rtol=0)


def test_scans_are_read_where_there_are_some(phantom_pair: dict[str, str]) -> None:
    way = key_point_preprocessing(CaseGrid(spacing=6.0), SCALE_MM)(phantom_pair)
    assert way["fixed_image"].ndim == 4
    counts = [len(way[f"{side}_cloud"]) for side in ("fixed", "moving")]
    assert way["image"].shape == (sum(counts), 4)
    assert way["image"][:, 3].tolist() == [0.0] * counts[0] + [1.0] * counts[1]


@pytest.fixture
def phantom_pair(tmp_path: Path) -> dict[str, str]:
    paths = write_phantom(torso_phantom((36, 32, 40), (5.0, 5.0, 6.0), maximum_displacement=4.0, seed=3), tmp_path)
    return {key: str(paths[key]) for key in ("fixed_image", "moving_image")}
