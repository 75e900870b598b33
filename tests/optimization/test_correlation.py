"""The cost volume against its definition, values and gradients."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from common.optimization import correlation_volume, displacement_candidates

SHAPES = [(1, 3, 5, 6, 7), (2, 2, 4, 3, 5), (2, 3, 6, 5)]


def random_maps(shape: tuple[int, ...], seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    fixed, moving = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    return fixed, moving


def plain_volume(fixed: Tensor, moving: Tensor, radius: int) -> Tensor:
    """The definition, one candidate after the other."""
    dims = fixed.ndim - 2
    padded = F.pad(moving, (radius,) * 2 * dims)
    costs = []
    for place in product(range(2 * radius + 1), repeat=dims):
        window = padded
        for axis, start in enumerate(place[::-1]):
            window = window.narrow(axis + 2, start, fixed.shape[axis + 2])
        costs.append((fixed - window).abs().sum(1))
    pool = F.avg_pool3d if dims == 3 else F.avg_pool2d
    return pool(torch.stack(costs, 1), 3, stride=1, padding=1)


@pytest.mark.parametrize("radius", [0, 1, 2, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_correlation_volume_equals_definition(shape: tuple[int, ...], radius: int) -> None:
    fixed, moving = random_maps(shape)
    torch.testing.assert_close(correlation_volume(fixed, moving, radius), plain_volume(fixed, moving, radius))


@pytest.mark.parametrize("shape", SHAPES)
def test_correlation_volume_has_gradient_of_definition(shape: tuple[int, ...]) -> None:
    fixed, moving = (features.requires_grad_() for features in random_maps(shape))
    weights = torch.randn(shape[0], 3 ** (len(shape) - 2), *shape[2:], dtype=torch.float64)
    gradients = torch.autograd.grad((correlation_volume(fixed, moving, 1) * weights).sum(), (fixed, moving))
    expected = torch.autograd.grad((plain_volume(fixed, moving, 1) * weights).sum(), (fixed, moving))
    torch.testing.assert_close(gradients, expected)


def test_correlation_volume_passes_gradcheck() -> None:
    fixed, moving = random_maps((1, 2, 3, 4))
    assert torch.autograd.gradcheck(lambda f, m: correlation_volume(f, m, 1), (fixed.requires_grad_(), moving))


@pytest.mark.parametrize("shift", [(1, 0, -2), (-2, 2, 1)])
def test_correlation_volume_convention_candidate_of_shift_costs_nothing(shift: tuple[int, ...]) -> None:
    """M(x + d) = F(x) for M moved by d along each axis: the three differ, so that no order of axes is mistaken."""
    fixed = random_maps((1, 3, 9, 10, 11))[0]
    cost = correlation_volume(fixed, fixed.roll(shift, (2, 3, 4)), 2)
    candidate = (displacement_candidates(2, 3) == torch.tensor(shift)).all(1).nonzero().item()
    interior = cost[0, :, 3:-3, 3:-3, 3:-3]
    assert interior[int(candidate)].max() < 1e-12
    assert (interior.argmin(0) == candidate).all()


def test_correlation_volume_of_half_precision_is_float32() -> None:
    fixed, moving = random_maps((1, 2, 4, 5, 6))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cost = correlation_volume(fixed.bfloat16(), moving.bfloat16(), 1)
    assert cost.dtype == torch.float32
    torch.testing.assert_close(cost, plain_volume(fixed.bfloat16().float(), moving.bfloat16().float(), 1))


def test_displacement_candidates_first_axis_runs_fastest() -> None:
    candidates = displacement_candidates(2, 3)
    assert candidates.shape == (125, 3)
    assert candidates[:6, 0].tolist() == [-2, -1, 0, 1, 2, -2]
    assert candidates[0:25:5, 1].tolist() == [-2, -1, 0, 1, 2]
    assert candidates[0:125:25, 2].tolist() == [-2, -1, 0, 1, 2]
    assert displacement_candidates(0, 2).tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("moving", "radius", "message"),
    [
        ((1, 2, 5, 6, 8), 2, r"expects 'moving_features' of shape \(1, 2, 5, 6, 7\), got \(1, 2, 5, 6, 8\)"),
        ((1, 3, 5, 6, 7), 2, r"expects 'moving_features' of shape \(1, 2, 5, 6, 7\), got \(1, 3, 5, 6, 7\)"),
        ((1, 2, 5, 6, 7), -1, r"correlation_volume\(\) expects 'radius' of 0 or more, got -1"),
    ],
)
def test_correlation_volume_raises(moving: tuple[int, ...], radius: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        correlation_volume(torch.zeros(1, 2, 5, 6, 7), torch.zeros(moving), radius)
