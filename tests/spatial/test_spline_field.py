from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from common.spatial import (
    SplineField,
    bspline_displacement,
    compose_splines,
    identity_grid,
    interpolating_spline,
    spline_field,
)

FIELDS = ("t1", "t21", "t22")


def recorded_field(recorded: dict[str, np.ndarray], name: str, size: int) -> SplineField:
    """Its relative units are the length of the grid."""
    return interpolating_spline(torch.from_numpy(recorded[f"ctrl_{name}"])[None] * size, (size,) * 3)


@pytest.mark.parametrize("name", FIELDS)
def test_interpolating_spline_is_that_of_the_published_generator(oracle: Callable, name: str) -> None:
    recorded = oracle("002_gryds_bspline")
    field = recorded_field(recorded, name, 1)
    np.testing.assert_allclose(
        field.at(torch.from_numpy(recorded["pts"])[None])[0], recorded[f"pts_disp_{name}"], atol=1e-6
    )
    grid = recorded_field(recorded, name, 20).on_grid((20, 20, 20))[0] / 20
    np.testing.assert_allclose(grid, recorded[f"grid20_disp_{name}"], atol=1e-6)


@pytest.mark.parametrize(("together", "names"), [("T2", ("t22", "t21")), ("T1oT2", ("t22", "t21", "t1"))])
def test_fields_compose_on_coordinates_as_in_the_published_generator(
    oracle: Callable, together: str, names: tuple[str, ...]
) -> None:
    """Many of these points leave the grid on their way."""
    recorded = oracle("002_gryds_bspline")
    start = points = torch.from_numpy(recorded["pts"])[None]
    for name in names:
        points = points + recorded_field(recorded, name, 1).at(points)
    np.testing.assert_allclose((points - start)[0], recorded[f"pts_disp_{together}"], atol=1e-6)


@pytest.mark.parametrize("grid", [(2, 3), (5, 4), (2, 7, 4)])
def test_interpolating_spline_is_that_of_scipy_anywhere(grid: tuple[int, ...]) -> None:
    d = len(grid)
    values = torch.randn(2, d, *grid, dtype=torch.float64)
    shape = (9, 8, 13)[:d]
    field = interpolating_spline(values, shape)
    points = torch.rand(2, d, 50, dtype=torch.float64) * 60 - 20
    steps = torch.tensor(field.spacing, dtype=torch.float64)[:, None]
    theirs = [
        [map_coordinates(v, p / steps, order=3, mode="mirror") for v in b] for b, p in zip(values, points, strict=True)
    ]
    np.testing.assert_allclose(field.at(points), theirs, atol=1e-10)


@pytest.mark.parametrize("mirrored", [True, False])
def test_on_grid_is_at_every_voxel(shape: tuple[int, ...], mirrored: bool) -> None:
    d = len(shape)
    field = SplineField(torch.randn(2, d, *[3] * d), (2.5,) * d, (-1.5,) * d, mirrored)
    places = identity_grid(shape).expand(2, *identity_grid(shape).shape)
    torch.testing.assert_close(field.on_grid(shape), field.at(places), atol=1e-5, rtol=0)


def test_field_without_mirror_is_that_of_bspline_displacement() -> None:
    points = torch.randn(1, 3, 3, 4, 2)
    field = SplineField(points, (4.0, 3.0, 5.0), (1.5, 1.0, 2.0))
    torch.testing.assert_close(field.on_grid((12, 12, 10)), bspline_displacement(points, (4, 3, 5)))
    assert field.at(torch.full((1, 3, 1), 100.0)).abs().max() == 0


def test_many_points_are_evaluated_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    field = interpolating_spline(torch.randn(2, 3, 4, 4, 4), (8, 8, 8))
    places = torch.rand(2, 3, 5, 11) * 8
    whole = field.at(places)
    monkeypatch.setitem(spline_field.NUMBERS_AT_A_TIME, "cpu", 2500)
    torch.testing.assert_close(field.at(places), whole)
    assert whole.shape == places.shape


def test_gradients() -> None:
    values = torch.randn(1, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    places = (torch.rand(1, 2, 5, dtype=torch.float64) * 9 - 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda v, p: interpolating_spline(v, (7, 8)).at(p), (values, places))
    assert torch.autograd.gradcheck(lambda v: interpolating_spline(v, (4, 3)).on_grid((4, 3)), (values,))


def test_compose_splines_lets_the_first_act_first() -> None:
    shift = SplineField(torch.full((1, 2, 9, 9), 2.0), (4.0, 4.0), (-12.0, -12.0))
    bend = interpolating_spline(torch.randn(1, 2, 3, 3), (8, 8))
    there = compose_splines([shift, bend], (8, 8))
    moved = identity_grid((8, 8))[None] + 2
    torch.testing.assert_close(there, moved + bend.at(moved))
    assert not torch.allclose(there, compose_splines([bend, shift], (8, 8)), atol=0.1)


def test_half_precision_is_evaluated_in_float32() -> None:
    assert interpolating_spline(torch.ones(1, 2, 3, 3).half(), (4, 4)).on_grid((4, 4)).dtype == torch.float32


def test_wrong_arguments_raise() -> None:
    wrong: Any = [[0.0]]
    field = interpolating_spline(torch.zeros(2, 2, 3, 3), (8, 8))
    with pytest.raises(ValueError, match=r"at\(\) expects 'coordinates' of shape \(2, 2, \*out\), got \(1, 2, 4\)"):
        field.at(torch.zeros(1, 2, 4))
    with pytest.raises(TypeError, match=r"expects 'coordinates' to be a tensor, got list"):
        field.at(wrong)
    with pytest.raises(ValueError, match="'spatial_shape' of 2 positive integers"):
        field.on_grid((8, 8, 8))
    with pytest.raises(ValueError, match=r"expects 'values' of two or more control points along each axis"):
        interpolating_spline(torch.zeros(1, 2, 1, 3), (8, 8))
    with pytest.raises(ValueError, match="expects 'fields' of one or more, got none"):
        compose_splines([], (8, 8))
