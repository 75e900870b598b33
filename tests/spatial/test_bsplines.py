from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.interpolate import BSpline

from common.spatial import bspline, bspline_displacement

RECORDED = {
    "mnist_7x7_f4": (4, 4),
    "card_6x5_f16": (16, 16),
    "f8": (8, 8),
    "f2": (2, 2),
    "aniso_f4_8": (4, 8),
}


def torchir_offset(spacing: int, order: int) -> float:
    """Where TorchIR's kernel, cropped by 3/8 of its length, has its peak."""
    length = (order + 1) * spacing
    return length / 2 - 1 - length * 3 // 8


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("name", RECORDED)
def test_displacement_is_that_of_the_authors_later_code(oracle: Callable, name: str, order: int) -> None:
    recorded = oracle("004_bspline_transformer")
    if f"{name}_dvf_order{order}" not in recorded:
        pytest.skip("TorchIR has no quadratic spline of spacing 2")
    spacing = RECORDED[name]
    points = torch.from_numpy(recorded[f"{name}_params"]).flip(1)  # its channel 0 is the last axis
    ddf = bspline_displacement(points, spacing, order=order, offset=[torchir_offset(s, order) for s in spacing])
    np.testing.assert_allclose(ddf.flip(1), recorded[f"{name}_dvf_order{order}"], atol=1e-5)


def test_displacement_in_3d_is_that_of_the_authors_later_code(oracle: Callable) -> None:
    recorded = oracle("004_bspline_transformer")
    points = torch.from_numpy(recorded["3d_f4_params"]).flip(1)
    ddf = bspline_displacement(points, (4, 4, 4), offset=(1, 1, 1))
    np.testing.assert_allclose(ddf.flip(1), recorded["3d_f4_dvf"], atol=1e-5)


@pytest.mark.parametrize("order", [2, 3])
def test_bspline_is_that_of_scipy(order: int) -> None:
    t = np.linspace(-3, 3, 61)
    theirs = BSpline.basis_element(np.arange(order + 2) - (order + 1) / 2, extrapolate=False)(t)
    np.testing.assert_allclose(bspline(torch.from_numpy(t), order), np.nan_to_num(theirs), atol=1e-12)


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("spacing", [(1, 3), (5, 2), (3, 4, 6)])
def test_weights_sum_to_one_away_from_the_border(spacing: tuple[int, ...], order: int) -> None:
    dims = len(spacing)
    ddf = bspline_displacement(torch.ones(1, dims, *[6] * dims), spacing, order=order)
    assert ddf.shape[2:] == tuple(6 * s for s in spacing)
    inside: Any = (..., *[slice(2 * s, -2 * s) for s in spacing])
    torch.testing.assert_close(ddf[inside], torch.ones_like(ddf[inside]))
    assert 0 < ddf.amin() < 0.9  # fades at the corners


@pytest.mark.parametrize("spacing", [3, 4])
def test_control_points_stand_in_the_middle_of_their_cells(spacing: int) -> None:
    points = torch.zeros(1, 2, 5, 5)
    points[0, :, 2, 2] = 1
    ddf = bspline_displacement(points, (spacing, spacing))
    torch.testing.assert_close(ddf, ddf.flip(2, 3))  # symmetric about the middle of the image
    assert ddf[0, 0].argmax() == ddf[0, 0, (5 * spacing - 1) // 2, (5 * spacing - 1) // 2 :].argmax() + (
        5 * spacing * ((5 * spacing - 1) // 2) + (5 * spacing - 1) // 2
    )


def test_straight_lines_are_reproduced() -> None:
    points = (torch.arange(8.0) * 4 + 1.5).expand(1, 2, 8, 8)
    ddf = bspline_displacement(points, (4, 4))
    inside = slice(8, 24)
    torch.testing.assert_close(ddf[0, 0, 16, inside], torch.arange(8.0, 24.0))


def test_displacement_is_a_transposed_convolution() -> None:
    torch.manual_seed(0)
    points, s = torch.randn(2, 2, 5, 6), 4
    kernel = bspline((torch.arange(4 * s) - (2 * s - 0.5)) / s)  # peak between its two middle samples
    weight = torch.outer(kernel, kernel).expand(2, 1, -1, -1)
    theirs = F.conv_transpose2d(points, weight, stride=s, groups=2, padding=3 * s // 2)
    torch.testing.assert_close(bspline_displacement(points, (s, s)), theirs, atol=1e-5, rtol=0)


def test_a_part_of_the_result_is_cut_out_by_shape_and_offset() -> None:
    torch.manual_seed(0)
    points = torch.randn(1, 2, 4, 5)
    whole = bspline_displacement(points, (4, 4))
    part = bspline_displacement(points, (4, 4), (9, 11), offset=(1.5 - 3, 1.5 - 5))
    torch.testing.assert_close(part, whole[..., 3:12, 5:16])


@pytest.mark.parametrize("order", [2, 3])
def test_gradient(order: int) -> None:
    points = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: bspline_displacement(p, (3, 2), order=order), points)


def test_half_precision_is_evaluated_in_float32() -> None:
    assert bspline_displacement(torch.ones(1, 2, 3, 3).half(), (2, 2)).dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"spacing": (4,)}, "'spatial_shape' of 2 positive integers"),
        ({"spacing": (4, 0)}, "positive integers"),
        ({"spacing": (4, 4), "order": 1}, "'order' to be one of"),
        ({"spacing": (4, 4), "spatial_shape": (16,)}, "'spatial_shape' of 2 positive integers"),
    ],
)
def test_wrong_arguments_raise(arguments: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        bspline_displacement(torch.zeros(1, 2, 4, 4), **arguments)
