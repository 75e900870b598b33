"""Pairs of clouds whose displacement is known because they were made."""

import pytest
import torch

from common.engines import PointCloudBatch, SyntheticCloudBatch
from common.networks.nets import join_clouds
from common.spatial import RandomSpline

RIGID = PointCloudBatch(rotation_degrees=10.0, translation=0.1)
SMOOTH = RandomSpline(points=5, amplitude=0.07)


def draw(pairs: int = 3, fixed: int = 20, moving: int = 30) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {"image": join_clouds(torch.rand(pairs, fixed, 3), torch.rand(pairs, moving, 3) * 2 - 1)}


@pytest.mark.parametrize("motion", [RIGID, SMOOTH])
def test_label_leads_from_the_fixed_to_the_moving_points(motion: PointCloudBatch | RandomSpline) -> None:
    image, made = SyntheticCloudBatch(motion, rotation_degrees=5.0, scale=0.1)(draw(), "cpu")
    assert image.shape == (3, 50, 4)
    assert made["image"] is image
    assert (image[..., 3].sum(1) == 30).all()
    fixed, moving = image[:, :20, :3], image[:, 20:, :3]
    torch.testing.assert_close(fixed + made["pseudo_label"], moving[:, :20])
    assert 0.02 < made["pseudo_label"].norm(dim=2).mean() < 0.4


def test_rigid_motions_keep_distances_and_fields_are_smooth() -> None:
    for motion, largest in ((RIGID, 1e-5), (SMOOTH, 1.0)):
        image, _ = SyntheticCloudBatch(motion)(draw(1, 200, 200), "cpu")
        before, after = torch.pdist(image[0, :200, :3]), torch.pdist(image[0, 200:, :3])
        stretch = ((after - before).abs() / before)[before > 0.1]
        assert stretch.max() < largest
        assert (stretch.max() > 0.01) == (motion is SMOOTH)


def test_only_the_moving_cloud_is_used() -> None:
    batch = draw()
    image, made = SyntheticCloudBatch(RIGID)(batch, "cpu")
    torch.testing.assert_close(image[:, :20, :3], batch["image"][:, 20:40, :3])
    assert (made["unit"] == 1).all()


def test_the_smooth_field_counts_in_units_of_the_cube() -> None:
    """Control points at -1 and 1: what a spline through two of them does is at most its amplitude, 2 x 0.1."""
    batch = {"image": join_clouds(torch.zeros(1, 1, 3), torch.rand(1, 4000, 3) * 2 - 1)}
    torch.manual_seed(1)
    moved = [SyntheticCloudBatch(RandomSpline(5, 0.1))(batch, "cpu")[0][:, 1:, :3] for _ in range(8)]
    farthest = max(float((each - batch["image"][:, 1:, :3]).abs().max()) for each in moved)
    assert 0.15 < farthest < 0.4  # between the control points a spline overshoots
