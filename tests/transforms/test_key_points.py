"""Clouds of a pair: found in scans, brought to the network's frame, and what becomes of its answer."""

import logging
from pathlib import Path

import pytest
import torch
from monai.data import MetaTensor

from common.io import InputError, format_points
from common.networks.nets import join_clouds
from common.spatial import ras_to_lps, voxel_to_world
from common.transforms import CaseGrid, CloudFieldd, KeyPointsd, PairCloudsd, field_of, key_points, move_points

AFFINE = torch.tensor([[-2.0, 0, 0, 30], [0, 0, 3, -40], [0, 2.5, 0, 7], [0, 0, 0, 1]], dtype=torch.float64)
CENTERS = torch.tensor([[6.0, 7, 9], [14, 8, 6], [8, 15, 16], [15, 14, 10]])  # voxels of the scan
SCALE_MM = (100.0, 80.0, 120.0)


def blobs() -> MetaTensor:
    """Dark, with bright spots in a mirrored, permuted, anisotropic scan."""
    grid = torch.stack(torch.meshgrid(*(torch.arange(float(n)) for n in (20, 22, 24)), indexing="ij"))
    spots = [torch.exp(-(grid - center.view(3, 1, 1, 1)).square().sum(0) / 4) for center in CENTERS]
    image = torch.stack(spots).sum(0)
    return MetaTensor(image[None], affine=AFFINE)


def cloud(points: int = 60, seed: int = 0) -> torch.Tensor:
    return torch.rand(points, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 100 - 30


def write(path: Path, points: torch.Tensor) -> str:
    path.write_text(format_points(path, points))
    return str(path)


def test_key_points_of_a_scan_lie_where_its_spots_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_points, "FEWEST", 1)
    find = KeyPointsd("fixed_cloud", CaseGrid(spacing=2.0, region="whole"), windows=(9,))
    found = find({"fixed_image": blobs()})["fixed_cloud"]
    spots = voxel_to_world(CENTERS.double(), ras_to_lps(AFFINE))
    assert torch.cdist(spots, found).amin(1).max() < 5  # mm: a corner of a spot is beside its middle


def test_key_points_stay_inside_the_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_points, "FEWEST", 1)
    mask = torch.zeros(1, 20, 22, 24)
    mask[:, :11] = 1
    find = KeyPointsd("fixed_cloud", CaseGrid(spacing=2.0, region="whole"), windows=(5,))
    found = find({"fixed_image": blobs(), "fixed_mask": MetaTensor(mask, affine=AFFINE)})["fixed_cloud"]
    voxels = voxel_to_world(found, torch.linalg.inv(ras_to_lps(AFFINE)))
    assert len(found) > 1
    assert voxels[:, 0].max() < 11


def test_key_points_are_read_without_the_undefined(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    points = cloud()
    points[3] = torch.nan
    with caplog.at_level(logging.INFO, "common"):
        read = KeyPointsd("fixed_cloud", CaseGrid(), windows=(5,))(
            {"fixed_cloud": write(tmp_path / "points.csv", points)}
        )["fixed_cloud"]
    torch.testing.assert_close(read, points[points.isfinite().all(1)], atol=1e-5, rtol=0)
    assert "fixed key points: 59" in caplog.text


def test_key_points_that_are_too_many_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_points, "FEWEST", 1)
    noise = torch.rand(1, 20, 22, 24, generator=torch.Generator().manual_seed(0))
    case = {"fixed_image": MetaTensor(noise, affine=AFFINE)}
    find = KeyPointsd("fixed_cloud", CaseGrid(spacing=2.0, region="whole"), windows=(5,))
    many = len(find(case)["fixed_cloud"])
    monkeypatch.setattr(key_points, "MOST", many // 2)
    assert 0 < len(find(case)["fixed_cloud"]) <= many // 2


def test_key_points_raises_for_too_few(tmp_path: Path) -> None:
    path = write(tmp_path / "points.csv", cloud(5))
    with pytest.raises(InputError, match=r"points.csv is expected to have 16 to 8000 key points, got 5"):
        KeyPointsd("fixed_cloud", CaseGrid(), windows=(5,))({"fixed_cloud": path})


@pytest.mark.parametrize("start", ["centers", "none"])
def test_pair_clouds_are_scaled_around_the_fixed_center(start: str) -> None:
    fixed, moving = cloud(), cloud(70, seed=1) + 40
    paired = PairCloudsd(SCALE_MM, start)({"fixed_cloud": fixed, "moving_cloud": moving})
    shift = moving.mean(0) - fixed.mean(0) if start == "centers" else torch.zeros(3, dtype=torch.float64)
    scale, center = torch.tensor(SCALE_MM), fixed.mean(0)
    expected = join_clouds(((fixed - center) / scale).float(), ((moving - shift - center) / scale).float())
    torch.testing.assert_close(paired["image"], expected)
    torch.testing.assert_close(paired["cloud_shift"], shift)


def test_pair_clouds_raises_for_another_start() -> None:
    with pytest.raises(InputError, match="--initial_transform is expected to be centers or none here, got affine"):
        PairCloudsd(SCALE_MM, "affine")


def test_cloud_field_takes_the_points_where_the_network_does() -> None:
    fixed, shift = cloud(), torch.tensor([4.0, -5.0, 60.0], dtype=torch.float64)
    matrix = torch.tensor([[0.05, 0.02, 0], [0, -0.04, 0.03], [0.01, 0, 0.06]], dtype=torch.float64)
    moved = fixed @ matrix  # an affine field, which a smoothing spline reproduces
    data = {"fixed_cloud": fixed, "pred": moved / torch.tensor(SCALE_MM), "cloud_shift": shift}
    made = CloudFieldd(SCALE_MM, spacing=(3.0, 4.0, 5.0))(data)
    torch.testing.assert_close(made["displaced_cloud"], fixed + moved + shift)
    field = field_of(made["displacement_field"])
    assert field.grid.spacing.tolist() == [3.0, 4.0, 5.0]
    torch.testing.assert_close(move_points(fixed, field), fixed + moved + shift, atol=1e-3, rtol=0)


def test_cloud_field_lies_on_the_grid_of_the_scan() -> None:
    data = {"fixed_cloud": cloud(), "pred": torch.zeros(60, 3), "cloud_shift": torch.ones(3), "fixed_image": blobs()}
    field = CloudFieldd(SCALE_MM)(data)["displacement_field"]
    assert field.shape == (3, 20, 22, 24)
    torch.testing.assert_close(field.affine, AFFINE)
    torch.testing.assert_close(field.as_tensor(), torch.ones(3, 20, 22, 24), atol=1e-5, rtol=0)


def test_cloud_field_raises() -> None:
    data = {"fixed_cloud": cloud(), "pred": torch.full((60, 3), torch.nan), "cloud_shift": torch.zeros(3)}
    with pytest.raises(InputError, match="The displacement is not finite"):
        CloudFieldd(SCALE_MM)(data)
    flat = cloud() * torch.tensor([1.0, 1.0, 0.0])
    with pytest.raises(InputError, match="The fixed cloud is expected to lie in no plane"):
        CloudFieldd(SCALE_MM)({**data, "pred": torch.zeros(60, 3), "fixed_cloud": flat})
