"""Nearest neighbors against SciPy's tree."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from common.spatial import nearest_points, neighbors


@pytest.mark.parametrize("places", [2**24, 100])
def test_nearest_points_are_those_of_scipy(places: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbors, "PLACES", places)
    torch.manual_seed(0)
    points, others = torch.rand(30, 3), torch.rand(47, 3)
    expected = cKDTree(others.numpy()).query(points.numpy(), 7)[1]
    np.testing.assert_array_equal(nearest_points(points, others, 7), expected)


def test_nearest_points_each_is_its_own() -> None:
    points = torch.rand(60, 3, generator=torch.Generator().manual_seed(0)) * 100 + 1000
    assert nearest_points(points, points, 1)[:, 0].tolist() == list(range(60))


@pytest.mark.parametrize(
    ("shapes", "count", "message"),
    [
        (((4, 3), (5, 2)), 1, r"of shape \(N, d\) and \(M, d\), got \(4, 3\) and \(5, 2\)"),
        (((1, 4, 3), (4, 3)), 1, r"got \(1, 4, 3\) and \(4, 3\)"),
        (((4, 3), (5, 3)), 6, r"'count' of 1 to the 5 other points, got 6"),
        (((4, 3), (5, 3)), 0, r"'count' of 1 to the 5 other points, got 0"),
    ],
)
def test_nearest_points_raises(shapes: tuple[tuple[int, ...], ...], count: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        nearest_points(torch.zeros(shapes[0]), torch.zeros(shapes[1]), count)
