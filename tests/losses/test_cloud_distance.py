"""The loss between clouds of which nothing is known, against SciPy."""

import pytest
import torch
from scipy.spatial import cKDTree

from common.losses import CloudDistance
from common.networks.nets import join_clouds


def test_cloud_distance_equals_scipy_trees() -> None:
    torch.manual_seed(0)
    fixed, moving, displacement = torch.rand(2, 30, 3), torch.rand(2, 40, 3), 0.1 * torch.randn(2, 30, 3)
    loss = CloudDistance(smoothness=2.0, neighbors=4)(displacement, {"image": join_clouds(fixed, moving)})
    expected = 0.0
    for p, q, u in zip(fixed.numpy(), moving.numpy(), displacement.numpy(), strict=True):
        there, back = cKDTree(q).query(p + u)[0], cKDTree(p + u).query(q)[0]
        around = cKDTree(p).query(p, 5)[1][:, 1:]
        bent = ((u - u[around].mean(1)) ** 2).sum(1)
        expected += ((there**2).mean() + (back**2).mean() + 2 * bent.mean()) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_cloud_distance_is_none_for_equal_clouds_that_move_as_one() -> None:
    torch.manual_seed(0)
    cloud, shift = torch.rand(1, 30, 3), torch.tensor([0.1, 0.0, -0.2])
    batch = {"image": join_clouds(cloud, cloud.flip(1) + shift)}
    assert CloudDistance()(shift.expand(1, 30, 3), batch).item() == pytest.approx(0, abs=1e-10)
    assert CloudDistance()(torch.zeros(1, 30, 3), batch) > 0.005


def test_cloud_distance_leads_to_the_moving_cloud() -> None:
    torch.manual_seed(0)
    cloud = torch.rand(1, 50, 3)
    batch = {"image": join_clouds(cloud, cloud + 0.03)}
    displacement = torch.zeros(1, 50, 3, requires_grad=True)
    optimizer = torch.optim.Adam([displacement], lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        CloudDistance(neighbors=5)(displacement, batch).backward()
        optimizer.step()
    assert (displacement - 0.03).abs().mean() < 0.01
