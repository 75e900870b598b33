"""Distances between corresponding points."""

import numpy as np
import pytest
import torch

from common.metrics import target_registration_error


def test_target_registration_error_value() -> None:
    warped, moving = [[0, 0, 0], [1, 2, 3]], [[2, 3, 6], [1, 2, 5]]
    assert target_registration_error(warped, moving).tolist() == [7.0, 2.0]


def test_target_registration_error_same_points_is_zero() -> None:
    points = np.random.default_rng(0).normal(size=(5, 2))
    assert target_registration_error(points, points).tolist() == [0.0] * 5


@pytest.mark.parametrize("shape", [(6, 2), (6, 3), (2, 6, 3)])
def test_target_registration_error_shape(shape: tuple[int, ...]) -> None:
    assert target_registration_error(torch.zeros(shape), torch.ones(shape)).shape == shape[:-1]


def test_target_registration_error_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(4, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: target_registration_error(p, torch.ones(4, 3)), (points,))


@pytest.mark.parametrize(
    ("warped", "moving", "message"),
    [
        ((3, 4), (3, 4), r"'warped_points' of shape \(..., N, 2 or 3\), got \(3, 4\)"),
        ((5, 3), (4, 3), r"'moving_points' of shape \(5, 3\), got \(4, 3\)"),
    ],
)
def test_target_registration_error_rejects(warped: tuple[int, ...], moving: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        target_registration_error(torch.zeros(warped), torch.zeros(moving))
