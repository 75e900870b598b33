from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from common.spatial import compose, identity_grid, warp


def affine_field(matrix: Tensor, shape: tuple[int, ...]) -> Tensor:
    return torch.einsum("ij,j...->i...", matrix, identity_grid(shape))[None]


def test_compose_of_affine_fields_is_affine() -> None:
    """(I + V)(I + U) - I = U + V + V U: the first is applied first."""
    shape = (15, 16, 17)
    u, v = 0.05 * torch.rand(2, 3, 3)
    inner: Any = (..., *[slice(0, 10)] * 3)  # where x + u(x) stays in the grid
    expected = affine_field(u + v + v @ u, shape)
    composed = compose(affine_field(u, shape), affine_field(v, shape))
    torch.testing.assert_close(composed[inner], expected[inner], rtol=0, atol=1e-5)
    assert not torch.allclose(composed[inner], affine_field(u + v + u @ v, shape)[inner], atol=1e-3)


def test_compose_warps_an_image_by_the_second_and_then_the_first(smooth_noise: Callable[..., Tensor]) -> None:
    shape = (24, 26, 28)
    image = smooth_noise(shape, 1.0, cell=12, seed=3)[:, :1]
    u, v = smooth_noise(shape, 2.0, cell=8, seed=1), smooth_noise(shape, 2.0, cell=8, seed=2)
    inner: Any = (..., *[slice(4, -4)] * 3)
    once, twice = warp(image, compose(u, v)), warp(warp(image, v), u)
    other = warp(warp(image, u), v)
    torch.testing.assert_close(once[inner], twice[inner], rtol=0, atol=0.06)
    assert (once - other)[inner].square().mean() > 20 * (once - twice)[inner].square().mean()


def test_compose_with_zero_is_the_identity(shape: tuple[int, ...]) -> None:
    ddf, zero = torch.randn(2, len(shape), *shape), torch.zeros(2, len(shape), *shape)
    assert torch.equal(compose(ddf, zero), ddf)
    torch.testing.assert_close(compose(zero, ddf), ddf, rtol=0, atol=1e-5)


def test_compose_lifts_half_precision() -> None:
    half = torch.full((1, 2, 4, 5), 0.25, dtype=torch.float16)
    composed = compose(half, half)
    assert composed.dtype == torch.float32
    assert composed.unique().item() == 0.5


def test_compose_gradient(shape: tuple[int, ...]) -> None:
    fields = [(0.2 + 0.5 * torch.rand(1, len(shape), *shape, dtype=torch.float64)).requires_grad_() for _ in range(2)]
    assert torch.autograd.gradcheck(compose, fields, fast_mode=True)


def test_compose_rejects_fields_of_two_grids() -> None:
    ddf = torch.zeros(1, 3, 5, 6, 7)
    with pytest.raises(
        ValueError, match=r"compose\(\) expects 'second' of shape \(1, 3, 5, 6, 7\), got .* rescale it first"
    ):
        compose(ddf, torch.zeros(1, 3, 7, 6, 5))
    with pytest.raises(ValueError, match=r"compose\(\) expects 'first' of shape \(1, 3, 5, 6, 7\), got \(1, 1, 5"):
        compose(ddf[:, :1], ddf)
