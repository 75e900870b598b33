import numpy as np
import pytest
import torch
from scipy.interpolate import RBFInterpolator

from common.spatial import thin_plate_spline_displacement


@pytest.mark.parametrize(("spacing", "grid"), [((4, 6), (4, 3)), ((5, 5), (3, 5))])
def test_displacement_is_that_of_scipy(spacing: tuple[int, ...], grid: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    points = torch.randn(1, 2, *grid, dtype=torch.float64)
    ddf = thin_plate_spline_displacement(points, spacing)
    steps = [np.arange(n) * s + (s - 1) / 2 for n, s in zip(grid, spacing, strict=True)]
    centers = np.stack(np.meshgrid(*steps, indexing="ij"), -1).reshape(-1, 2)
    spline = RBFInterpolator(centers, points[0].flatten(1).T.numpy(), kernel="thin_plate_spline", degree=1)
    voxels = np.stack(np.meshgrid(*[np.arange(n) for n in ddf.shape[2:]], indexing="ij"), -1).reshape(-1, 2)
    np.testing.assert_allclose(ddf[0].flatten(1).T, spline(voxels), atol=1e-8)


def test_displacement_in_3d_is_that_of_scipy() -> None:
    torch.manual_seed(0)
    points = torch.randn(1, 3, 3, 2, 3, dtype=torch.float64)
    ddf = thin_plate_spline_displacement(points, (3, 3, 3))
    centers = torch.cartesian_prod(*[torch.arange(n) * 3 + 1.0 for n in (3, 2, 3)]).numpy()
    spline = RBFInterpolator(centers, points[0].flatten(1).T.numpy(), kernel="linear", degree=1)
    voxels = torch.cartesian_prod(*[torch.arange(float(n)) for n in (9, 6, 9)]).numpy()
    np.testing.assert_allclose(ddf[0].flatten(1).T, spline(voxels), atol=1e-8)


def test_affine_fields_are_reproduced_everywhere() -> None:
    places = torch.cartesian_prod(torch.arange(4) * 4 + 1.5, torch.arange(5) * 4 + 1.5)
    matrix, shift = torch.tensor([[0.1, -0.3], [0.2, 0.4]]), torch.tensor([1.0, -2.0])
    points = (places @ matrix.T + shift).T.reshape(1, 2, 4, 5)
    ddf = thin_plate_spline_displacement(points, (4, 4))
    voxels = torch.cartesian_prod(torch.arange(16.0), torch.arange(20.0))
    expected = (voxels @ matrix.T + shift).T.reshape(1, 2, 16, 20)
    torch.testing.assert_close(ddf, expected, atol=1e-4, rtol=0)


def test_a_part_of_the_result_is_cut_out_by_shape_and_offset() -> None:
    torch.manual_seed(0)
    points = torch.randn(1, 2, 4, 5)
    whole = thin_plate_spline_displacement(points, (4, 4))
    part = thin_plate_spline_displacement(points, (4, 4), (9, 11), (1.5 - 3, 1.5 - 5))
    torch.testing.assert_close(part, whole[..., 3:12, 5:16], atol=1e-5, rtol=0)


def test_gradient_also_after_inference() -> None:
    with torch.inference_mode():
        thin_plate_spline_displacement(torch.zeros(1, 2, 3, 4, dtype=torch.float64), (3, 2))
    points = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: thin_plate_spline_displacement(p, (3, 2)), points)


@pytest.mark.parametrize(
    ("grid", "spacing", "match"),
    [((4, 4), (4,), "2 positive integers"), ((1, 4), (4, 4), "two or more along each axis")],
)
def test_wrong_arguments_raise(grid: tuple[int, ...], spacing: tuple[int, ...], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        thin_plate_spline_displacement(torch.zeros(1, 2, *grid), spacing)
