import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import correlate1d, gaussian_filter
from torch import Tensor

from common.spatial import gaussian_blur, gaussian_smooth
from common.spatial.gaussian import _half_gaussian, convolved


def test_smooth_is_that_of_the_released_code(oracle: Callable) -> None:
    recorded = oracle("000_cbs_kernels")
    maps = torch.from_numpy(recorded["x"])
    torch.testing.assert_close(
        gaussian_smooth(maps, 1.0), torch.from_numpy(recorded["y_ks3_sigma1"]), atol=1e-6, rtol=0
    )


@pytest.mark.parametrize("size", [3, 5])
def test_kernels_are_those_of_the_released_code(oracle: Callable, size: int) -> None:
    recorded = oracle("000_cbs_kernels")
    for kernels, axes in ((recorded[f"k2d_{size}"], 2), (recorded[f"k3d_{size}_derived"], 3)):
        impulse = torch.zeros(1, 1, *[size] * axes)
        impulse[(0, 0, *[size // 2] * axes)] = 1
        for sigma, kernel in zip(recorded["sigmas"], kernels, strict=True):
            ours = gaussian_smooth(impulse, float(sigma), size)[0, 0]
            torch.testing.assert_close(ours, torch.from_numpy(kernel).reshape(ours.shape).float(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [3, 5, 9])
def test_smooth_is_that_of_scipy(shape: tuple[int, ...], size: int) -> None:
    maps = torch.randn(2, 3, *shape)
    taps = np.exp(-0.5 * (np.arange(-(size // 2), size // 2 + 1) / 0.8) ** 2)
    expected = maps.numpy()
    for axis in range(2, maps.ndim):
        expected = correlate1d(expected, taps / taps.sum(), axis, mode="constant")
    torch.testing.assert_close(gaussian_smooth(maps, 0.8, size), torch.from_numpy(expected))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_smooth_in_pieces_is_the_same_and_keeps_the_layout(
    layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = torch.randn(2, 3, 5, 6, 7).contiguous(memory_format=layout)
    whole = gaussian_smooth(maps, 1.0)
    monkeypatch.setattr("common.spatial.pieces.CACHED", 20)
    assert torch.equal(gaussian_smooth(maps, 1.0), whole)
    assert whole.stride() == maps.stride()


@pytest.mark.parametrize("size", [3, 5, 9])
def test_what_other_devices_compute_is_the_same(shape: tuple[int, ...], size: int) -> None:
    maps = torch.randn(2, 3, *shape)
    torch.testing.assert_close(convolved(maps, _half_gaussian(0.8, size // 2)), gaussian_smooth(maps, 0.8, size))
    elsewhere = maps.to("meta").requires_grad_()
    smoothed = gaussian_smooth(elsewhere, 0.8, size)
    (gradient,) = torch.autograd.grad(smoothed.sum(), elsewhere)
    assert smoothed.shape == gradient.shape == maps.shape


def test_smooth_of_a_voxel_among_zeros() -> None:
    middle = 1 / (1 + 2 * math.exp(-0.5))
    torch.testing.assert_close(gaussian_smooth(torch.ones(1, 1, 1, 1, 1), 1.0).item(), middle**3)


def test_smooth_without_width_is_the_identity(shape: tuple[int, ...]) -> None:
    maps = torch.randn(1, 2, *shape)
    for sigma in (0.0, 0.049):
        assert gaussian_smooth(maps, sigma) is maps
        assert gaussian_blur(maps, sigma) is maps
    assert gaussian_smooth(maps, 1.0, 1) is maps


def test_smooth_is_its_own_adjoint(shape: tuple[int, ...]) -> None:
    first, second = torch.randn(2, 1, 2, *shape, dtype=torch.float64)
    torch.testing.assert_close((gaussian_smooth(first, 1) * second).sum(), (first * gaussian_smooth(second, 1)).sum())


def test_smooth_gradient(shape: tuple[int, ...]) -> None:
    maps = torch.randn(1, 2, *shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m: gaussian_smooth(m, 0.7, 5), maps, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda m: gaussian_smooth(m, 0.7).square(), maps, fast_mode=True)


def test_smooth_keeps_nothing_for_the_backward_pass(shape: tuple[int, ...]) -> None:
    saved: list[Tensor] = []
    maps = torch.randn(1, 2, *shape, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(saved.append, lambda kept: kept):
        gaussian_smooth(maps, 1.0)
    assert saved == []


def test_smooth_takes_half_precision() -> None:
    maps = torch.full((1, 1, 5, 5), 60000.0, dtype=torch.float16)
    smoothed = gaussian_smooth(maps, 1.0)
    assert smoothed.dtype == torch.float16
    assert smoothed[0, 0, 2, 2].item() == pytest.approx(60000, rel=2e-3)


@pytest.mark.parametrize("sigma", [0.1, 0.5, 1.0, 2.3])
def test_blur_is_that_of_scipy(shape: tuple[int, ...], sigma: float) -> None:
    image = torch.rand(1, 2, *shape)
    expected = gaussian_filter(image, [0, 0, *[sigma] * len(shape)], mode="nearest", radius=math.ceil(3 * sigma))
    torch.testing.assert_close(gaussian_blur(image, sigma), torch.from_numpy(expected))


def test_blur_leaves_a_level_alone(shape: tuple[int, ...]) -> None:
    torch.testing.assert_close(gaussian_blur(torch.full((1, 1, *shape), 7.0), 1.0), torch.full((1, 1, *shape), 7.0))


def test_blur_takes_whole_numbers_and_gives_a_gradient() -> None:
    assert gaussian_blur(torch.ones(1, 1, 4, 4, dtype=torch.uint8), 1.0).dtype == torch.float32
    image = torch.rand(1, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda i: gaussian_blur(i, 0.6), image, fast_mode=True)


def test_wrong_arguments_raise() -> None:
    maps = torch.zeros(1, 1, 4, 4)
    with pytest.raises(ValueError, match=r"gaussian_smooth\(\) expects 'maps' of shape .*got \(5, 6, 7\)\."):
        gaussian_smooth(torch.zeros(5, 6, 7), 1.0)
    with pytest.raises(
        TypeError, match=r"gaussian_smooth\(\) expects 'maps' of floating point numbers, got torch.uint8"
    ):
        gaussian_smooth(maps.byte(), 1.0)
    with pytest.raises(ValueError, match=r"gaussian_smooth\(\) expects 'size' to be odd and positive, got 4\."):
        gaussian_smooth(maps, 1.0, 4)
    for function in (gaussian_smooth, gaussian_blur):
        for sigma in (-0.1, math.nan, math.inf):
            with pytest.raises(
                ValueError, match=rf"{function.__name__}\(\) expects 'sigma' of 0 or more, got {sigma}\."
            ):
                function(maps, sigma)
    with pytest.raises(ValueError, match=r"gaussian_blur\(\) expects 'image' of shape .*got \(4,\)\."):
        gaussian_blur(torch.zeros(4), 1.0)


def test_small_filters_are_normalized(shape: tuple[int, ...]) -> None:
    inside = F.pad(torch.ones(1, 1, *shape), [2] * 2 * len(shape), value=1.0)
    smoothed = F.pad(gaussian_smooth(inside, 0.5, 5), [-2] * 2 * len(shape))
    torch.testing.assert_close(smoothed, torch.ones_like(smoothed))
