"""Every message names the function, the argument, the rule and what came."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from common import spatial
from common.spatial.checks import (
    check_choice,
    check_count,
    check_ddf,
    check_image,
    check_points,
    check_same_space,
    check_spatial_shape,
)

NUMBERS: Any = [1, 2]


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: check_image("f", "image", torch.zeros(4, 5)), r"f\(\) expects 'image' of shape .*got \(4, 5\)\. Add"),
        (lambda: check_image("f", "image", torch.zeros(1, 1, 4, 5), 3), r"of shape \(B, C, H, W, D\), got"),
        (lambda: check_ddf("f", torch.zeros(1, 4, 5, 2)), r"of shape \(1, 2, 4, 5\), got .* Fields are channel-first"),
        (lambda: check_ddf("f", torch.zeros(2, 4, 5)), r"'ddf' of shape .* Add the batch axis"),
        (
            lambda: check_image("f", "image", torch.zeros(1, 1, 0, 5)),
            r"of one or more along each axis, got \(1, 1, 0, 5",
        ),
        (
            lambda: check_ddf("f", torch.zeros(0, 2, 4, 5)),
            r"'ddf' of one or more along each axis, got \(0, 2, 4, 5\)\.",
        ),
        (lambda: check_points("f", "points", torch.zeros(1, 5, 2), 1, 3), r"'points' of shape \(1, N, 3\), got"),
        (
            lambda: check_same_space("f", "mask", torch.zeros(1, 1, 4), torch.zeros(1, 2, 5), 1, "Resample it."),
            r"'mask' of shape \(1, 1, 5\), got \(1, 1, 4\)\. Resample it\.",
        ),
        (lambda: check_spatial_shape("f", (4, 0), 2), r"'spatial_shape' of 2 positive integers, got \(4, 0\)"),
        (
            lambda: check_choice("f", "mode", "cubic", ("bilinear", "nearest")),
            "'mode' to be one of bilinear, nearest, got",
        ),
        (lambda: check_count("f", "steps", 0), r"'steps' of 1 or more, got 0"),
    ],
)
def test_checks_name_the_rule_and_what_came(check: Callable[[], None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check()


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: check_image("f", "image", NUMBERS), r"f\(\) expects 'image' to be a tensor, got list"),
        (lambda: check_ddf("f", torch.zeros(1, 2, 4, 5).int()), "'ddf' of floating point numbers, got torch.int32"),
    ],
)
def test_checks_name_the_type(check: Callable[[], None], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        check()


@pytest.mark.parametrize("empty", [(0, 6, 7), (5, 0, 7), (5, 6, 0)])
@pytest.mark.parametrize(
    "function",
    [
        lambda image, field: spatial.warp(image, field),
        lambda image, field: spatial.sample(image, torch.zeros(1, 3, 4)),
        lambda image, field: spatial.compose(field, field),
        lambda image, field: spatial.integrate_gradients(field),
        lambda image, field: spatial.invert_points(torch.zeros(1, 4, 3), field),
        lambda image, field: spatial.unfold(field),
        lambda image, field: spatial.jacobian_determinant(field),
        lambda image, field: spatial.mean_filter(image),
        lambda image, field: spatial.window_sum(image, 3),
        lambda image, field: spatial.bspline_displacement(field, (2, 2, 2), spatial_shape=(5, 6, 7)),
        lambda image, field: spatial.thin_plate_spline_displacement(field, (2, 2, 2)),
        lambda image, field: spatial.displacement_to_world(field, torch.eye(4)),
        lambda image, field: spatial.displacement_from_world(field, torch.eye(4)),
        lambda image, field: spatial.resample(image, torch.eye(4), spatial.Grid((5, 6, 7), torch.eye(4).double())),
    ],
)  # fmt: skip
def test_an_empty_axis_is_told_in_one_sentence(function: Callable[..., object], empty: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"^[a-z_]+\(\) expects '[a-z_]+' of one or more along each axis, got \(1, "):
        function(torch.zeros(1, 1, *empty), torch.zeros(1, 3, *empty))
