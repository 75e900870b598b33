import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from monai.networks.blocks import Warp
from torch import Tensor

from common.spatial import identity_grid, sample, warp


@pytest.fixture(scope="module")
def monai_warp() -> Warp:
    with warnings.catch_warnings():  # MONAI says at every construction that it runs without its extension
        warnings.simplefilter("ignore")
        return Warp(mode="bilinear", padding_mode="border")


def trace(function: Callable[..., Tensor], *arguments: Tensor) -> Any:
    with warnings.catch_warnings():  # but for a TracerWarning, which would tell of a size that was frozen
        warnings.filterwarnings("ignore", "`torch.jit.trace` is deprecated")
        return torch.jit.trace(function, arguments)


def test_warp_agrees_with_monai(shape: tuple[int, ...], monai_warp: Warp) -> None:
    image, ddf = torch.rand(2, 3, *shape), 2 * torch.randn(2, len(shape), *shape)
    torch.testing.assert_close(warp(image, ddf), monai_warp(image, ddf), rtol=0, atol=1e-5)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("padding", ["border", "zeros", "inside"])
def test_warp_by_zero_is_the_identity(shape: tuple[int, ...], mode: str, padding: str) -> None:
    image = torch.rand(2, 3, *shape)
    warped = warp(image, torch.zeros(2, len(shape), *shape), mode, padding)
    torch.testing.assert_close(warped, image, rtol=0, atol=4e-6)


def test_warp_integer_shift_is_roll(shape: tuple[int, ...]) -> None:
    labels = torch.randint(0, 9, (1, 1, *shape))
    for axis in range(len(shape)):
        ddf = torch.zeros(1, len(shape), *shape)
        ddf[:, axis] = 2
        rolled = labels.roll(-2, dims=axis + 2).narrow(axis + 2, 0, shape[axis] - 2)
        assert torch.equal(warp(labels, ddf, "nearest").narrow(axis + 2, 0, shape[axis] - 2), rolled)


def test_warp_fills_what_lies_outside() -> None:
    ddf = torch.zeros(1, 2, 3, 4)
    ddf[:, 1] = 3
    warped = warp(torch.ones(1, 1, 3, 4), ddf, padding="inside", fill=-7)
    assert warped[0, 0, 0].tolist() == [1, -7, -7, -7]


def test_warp_is_exact_for_fields_in_half_precision() -> None:
    ramp = torch.arange(160.0).expand(1, 1, 2, 160)
    ddf = torch.zeros(1, 2, 2, 160, dtype=torch.bfloat16)
    ddf[:, 1] = -0.5
    torch.testing.assert_close(warp(ramp, ddf)[..., 1:], ramp[..., 1:] - 0.5, rtol=0, atol=5e-5)


def test_warp_gradient(shape: tuple[int, ...]) -> None:
    image = torch.rand(1, 2, *shape, dtype=torch.float64, requires_grad=True)
    ddf = (0.2 + 0.5 * torch.rand(1, len(shape), *shape, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(warp, (image, ddf), fast_mode=True)


def test_warp_traced_at_one_size_holds_at_another(shape: tuple[int, ...]) -> None:
    image, ddf = torch.rand(1, 1, *shape), torch.randn(1, len(shape), *shape)
    traced = trace(warp, image, ddf)
    larger = [n + 3 for n in shape]
    image, ddf = torch.rand(2, 3, *larger), torch.randn(2, len(shape), *larger)
    torch.testing.assert_close(traced(image, ddf), warp(image, ddf))


def test_warp_rejects_wrong_input() -> None:
    image = torch.zeros(1, 1, 5, 6, 7)
    message = r"^warp\(\) expects 'ddf' of shape \(1, 3, 5, 6, 7\), got "
    with pytest.raises(ValueError, match=message + r"\(1, 2, 5, 6, 7\)\.$"):
        warp(image, torch.zeros(1, 2, 5, 6, 7))
    with pytest.raises(ValueError, match=message + r"\(1, 3, 5, 6, 8\)\. .* a field of another grid is rescaled"):
        warp(image, torch.zeros(1, 3, 5, 6, 8))
    with pytest.raises(ValueError, match=message + r"\(2, 3, 5, 6, 7\)"):
        warp(image, torch.zeros(2, 3, 5, 6, 7))
    with pytest.raises(ValueError, match=r"got \(1, 5, 6, 7, 3\)\. Fields are channel-first"):
        warp(image, torch.zeros(1, 5, 6, 7, 3))
    with pytest.raises(ValueError, match=r"got \(3, 6, 7\)\. Add the batch axis\."):
        warp(image, torch.zeros(3, 6, 7))
    with pytest.raises(TypeError, match=r"warp\(\) expects 'ddf' of floating point numbers, got torch.int64\."):
        warp(image, torch.zeros(1, 3, 5, 6, 7, dtype=torch.long))
    with pytest.raises(ValueError, match=r"'ddf' on cpu, got meta\."):
        warp(image, torch.zeros(1, 3, 5, 6, 7, device="meta"))


def move(points: Tensor, ddf: Tensor) -> Tensor:
    """Fixed points, `(B, N, d)`, where a field takes them, x + u(x)."""
    return points + sample(ddf, points.mT).mT


def test_moved_points_add_the_displacement_there(shape: tuple[int, ...]) -> None:
    slope = 0.1 * torch.randn(len(shape), len(shape))
    ddf = torch.einsum("ij,j...->i...", slope, identity_grid(shape))[None]
    points = torch.rand(1, 4, len(shape)) * 4
    torch.testing.assert_close(move(points, ddf), points + points @ slope.T)


def test_moved_points_find_where_the_image_came_from(smooth_noise: Callable[..., Tensor]) -> None:
    """A warped image shows at a fixed point what the moving image shows at the warped point."""
    ramp = identity_grid((15, 16, 17))[None]  # three images that hold their own coordinates
    ddf = smooth_noise((15, 16, 17), 2.0)
    point = torch.tensor([[[5.0, 7.0, 9.0]]])
    assert torch.allclose(move(point, ddf)[0, 0], warp(ramp, ddf)[0, :, 5, 7, 9], atol=1e-4)


def test_moved_points_traced_at_one_size_hold_at_another() -> None:
    traced = trace(move, torch.rand(1, 4, 3), torch.rand(1, 3, 5, 6, 7))
    points, ddf = 5 * torch.rand(2, 9, 3), torch.rand(2, 3, 8, 7, 6)
    torch.testing.assert_close(traced(points, ddf), move(points, ddf))


def test_moved_points_gradient(shape: tuple[int, ...]) -> None:
    points = (0.2 + 3.6 * torch.rand(2, 4, len(shape), dtype=torch.float64)).requires_grad_()
    ddf = torch.rand(2, len(shape), *shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(move, (points, ddf), fast_mode=True)
