"""Splines through scattered points against SciPy and the recorded field of the authors' code."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.interpolate import RBFInterpolator

from common.spatial import scattered_spline, scattered_spline_displacement

Oracle = Callable[[str], dict[str, np.ndarray]]


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_scattered_spline_is_that_of_scipy(dims: int, smoothing: float) -> None:
    torch.manual_seed(0)
    points, values, places = (torch.rand(n, c, dtype=torch.float64) for n, c in ((25, dims), (25, 4), (40, dims)))
    spline = RBFInterpolator(points, values, kernel="thin_plate_spline", smoothing=smoothing, degree=1)
    np.testing.assert_allclose(scattered_spline(points, values, places, smoothing), spline(places), atol=1e-9)


def test_scattered_spline_displacement_equals_released_code(oracle: Oracle) -> None:
    recorded = oracle("003_pointcloud_lbp")
    dense = torch.tensor(recorded["tps_dense_24_24_26_step4_l01"])
    half = (torch.tensor(dense.shape[1:4]) - 1) / 2
    points = (torch.tensor(recorded["kpts_fixed"][0]).flip(1) + 1) * half
    field = scattered_spline_displacement(points, torch.tensor(recorded["disp_pred"][0]).flip(1) * half, (24, 24, 26))
    expected = dense.flip(4).permute(0, 4, 1, 2, 3) * half.view(3, 1, 1, 1)
    torch.testing.assert_close(field, expected, atol=2e-4, rtol=0)  # 1e-5 of the half sides


def test_scattered_spline_of_affine_values_is_affine_everywhere() -> None:
    torch.manual_seed(0)
    points, matrix, places = torch.rand(9, 3), torch.rand(3, 2), torch.rand(7, 3) * 5
    result = scattered_spline(points, points @ matrix + 2, places)
    torch.testing.assert_close(result, places @ matrix + 2, atol=1e-4, rtol=0)


def test_scattered_spline_displacement_passes_through_points_on_its_knots() -> None:
    torch.manual_seed(0)
    points = torch.cartesian_prod(torch.tensor([0.0, 8.0]), torch.tensor([0.0, 5.0]), torch.tensor([0.0, 6.0]))
    moved = torch.rand(8, 3)
    field = scattered_spline_displacement(points, moved, (9, 6, 7), smoothing=0, step=1)
    assert field.shape == (1, 3, 9, 6, 7)
    i, j, k = points.long().T
    torch.testing.assert_close(field[0, :, i, j, k].T, moved, atol=1e-5, rtol=0)


def test_scattered_spline_has_gradient() -> None:
    torch.manual_seed(0)
    points, places = torch.rand(8, 3, dtype=torch.float64), torch.rand(5, 3, dtype=torch.float64)
    values = torch.rand(8, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: scattered_spline(points, v, places), values)


@pytest.mark.parametrize(
    ("shapes", "smoothing", "message"),
    [
        (((5, 3), (5, 3), (2, 2)), 0.1, r"\(N, d\) and \(M, d\), d of 2 or 3, got \(5, 3\) and \(2, 2\)"),
        (((5, 3), (4, 3), (2, 3)), 0.1, r"'values' of shape \(5, C\), got \(4, 3\)"),
        (((3, 3), (3, 3), (2, 3)), 0.1, r"4 or more 'points', got 3"),
        (((5, 3), (5, 3), (2, 3)), -1.0, r"'smoothing' of 0 or more, got -1.0"),
        (((5, 3), (5, 3), (2, 3)), 0.1, r"'points' that lie in no plane"),
    ],
)
def test_scattered_spline_raises(shapes: tuple[tuple[int, int], ...], smoothing: float, message: str) -> None:
    points, values, places = map(torch.zeros, shapes)
    with pytest.raises(ValueError, match=message):
        scattered_spline(points, values, places, smoothing)


def test_scattered_spline_displacement_raises() -> None:
    with pytest.raises(ValueError, match="'step' of 1 or more, got 0"):
        scattered_spline_displacement(torch.rand(8, 3), torch.rand(8, 3), (5, 6, 7), step=0)
