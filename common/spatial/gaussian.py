"""Gaussian smoothing of feature maps and images.

MONAI's `GaussianFilter` is a convolution a channel and an axis, keeps each input of theirs for the backward pass, and
darkens an image towards its border; this one adds shifted slices on a CPU, as `mean_filter` does.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_image
from .pieces import pieces
from .precision import full_precision, lift

IDENTITY = 0.05  # sigma from which on a voxel takes nothing of its neighbors, not even the last bit
TRUNCATE = 3.0  # standard deviations at which the filter of an image ends
MOST_TAPS = 125  # of a convolution with all axes at once


def gaussian_smooth(maps: Tensor, sigma: float, size: int = 3) -> Tensor:
    r"""Convolve each channel with a small Gaussian, among zeros.

    .. math:: g(k) = \frac{e^{-k^2 / 2 \sigma^2}}{\sum_{|l| \le r} e^{-l^2 / 2 \sigma^2}}, \quad |k| \le r

    along every axis. The operator is its own adjoint, so that it keeps nothing for the backward pass.

    Args:
        maps: `(B, C, *spatial)`, 2-D or 3-D, floating point, in any memory format, which the result has, too.
        sigma: voxels; below 0.05 the maps are given back as they are.
        size: 2 r + 1, odd.

    Returns:
        Smoothed maps, like `maps` in shape and type.

    Raises:
        TypeError: if the maps are not a tensor of floating point numbers.
        ValueError: if their shape is wrong, sigma is negative, or `size` is not odd and positive.

    Reference:
        Sinha et al., "Curriculum by smoothing", NeurIPS 2020, https://arxiv.org/abs/2003.01367, with the normalized
        kernels of the released code.

    Example:
        >>> gaussian_smooth(torch.eye(3)[None, None], 1.0)[0, 0].round(decimals=3)
        tensor([[0.2790, 0.2480, 0.0750],
                [0.2480, 0.3540, 0.2480],
                [0.0750, 0.2480, 0.2790]])
    """
    check_image("gaussian_smooth", "maps", maps)
    if not maps.is_floating_point():
        raise TypeError(f"gaussian_smooth() expects 'maps' of floating point numbers, got {maps.dtype}.")
    if size < 1 or size % 2 == 0:
        raise ValueError(f"gaussian_smooth() expects 'size' to be odd and positive, got {size}.")
    _check_sigma("gaussian_smooth", sigma)
    if sigma < IDENTITY or size == 1:
        return maps
    smoothed: Tensor = _Smooth.apply(maps, _half_gaussian(sigma, size // 2))
    return smoothed


def gaussian_blur(image: Tensor, sigma: float) -> Tensor:
    """Blur an image by a Gaussian of three standard deviations; beyond its border its outermost values go on.

    Args:
        image: `(B, C, *spatial)`, 2-D or 3-D.
        sigma: voxels; below 0.05 the image is given back as it is.

    Returns:
        Blurred image, the same shape, floating point: the values of `scipy.ndimage.gaussian_filter` with
        `mode="nearest"` and a radius of `ceil(3 * sigma)`.

    Raises:
        TypeError: if the image is not a tensor.
        ValueError: if its shape is wrong or sigma is negative.

    Example:
        >>> gaussian_blur(torch.tensor([[[[0.0, 0.0, 1.0, 0.0, 0.0]]]]), 0.5).round(decimals=3)
        tensor([[[[0.0000, 0.1060, 0.7870, 0.1060, 0.0000]]]])
    """
    check_image("gaussian_blur", "image", image)
    _check_sigma("gaussian_blur", sigma)
    if sigma < IDENTITY:
        return image
    reach = math.ceil(TRUNCATE * sigma)
    axes = image.ndim - 2
    blurred = gaussian_smooth(F.pad(lift(image), [reach] * 2 * axes, mode="replicate"), sigma, 2 * reach + 1)
    return F.pad(blurred, [-reach] * 2 * axes)


def _check_sigma(function: str, sigma: float) -> None:
    if not 0 <= sigma < math.inf:
        raise ValueError(f"{function}() expects 'sigma' of 0 or more, got {sigma}.")


def _half_gaussian(sigma: float, reach: int) -> list[float]:
    """Normalized weights of the middle and of the neighbors at one side."""
    half = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(reach + 1)]
    total = 2 * sum(half) - 1
    return [weight / total for weight in half]


class _Smooth(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, weights: Sequence[float]) -> Tensor:
        ctx.weights = weights
        if maps.device.type != "cpu":
            return convolved(maps, weights)
        middle, *others = weights
        smoothed = torch.empty_like(maps)
        for axis in range(2, maps.ndim):
            for piece, source in pieces(smoothed, maps, axis=axis):
                if axis == 2:  # all factors at once, and first: nothing grows beyond half precision
                    torch.mul(source, middle ** (maps.ndim - 2), out=piece)
                sums = [_neighbor_sum(piece, axis, shift) for shift in range(1, len(weights))]
                for neighbors, weight in zip(sums, others, strict=True):
                    piece.add_(neighbors, alpha=weight / middle)
        return smoothed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Smooth.apply(gradient, ctx.weights), None


def convolved(maps: Tensor, weights: Sequence[float]) -> Tensor:
    """`gaussian_smooth` as a device wants it that takes long to start a computation: one, or one for each axis.

    Args:
        maps: see there.
        weights: of the middle and of the neighbors at one side.
    """
    channels, axes = maps.shape[1], maps.ndim - 2
    convolve = F.conv3d if axes == 3 else F.conv2d
    with full_precision(maps):
        line = maps.new_tensor([*weights[:0:-1], *weights])
        lines = [line.view([-1 if each == axis else 1 for each in range(axes)]) for axis in range(axes)]
        whole = functools.reduce(torch.mul, lines)
        for kernel in [whole] if whole.numel() <= MOST_TAPS else lines:
            padding = [size // 2 for size in kernel.shape]
            maps = convolve(maps, kernel.expand(channels, 1, *kernel.shape), padding=padding, groups=channels)
    return maps


def _neighbor_sum(tensor: Tensor, axis: int, shift: int) -> Tensor:
    """Sum of the two voxels at a distance along an axis."""
    size = tensor.shape[axis]
    if size < 2 * shift:
        total = torch.zeros_like(tensor)
        if size > shift:
            total.narrow(axis, 0, size - shift).add_(tensor.narrow(axis, shift, size - shift))
            total.narrow(axis, shift, size - shift).add_(tensor.narrow(axis, 0, size - shift))
        return total
    total = torch.empty_like(tensor)
    before, after = tensor.narrow(axis, 0, size - 2 * shift), tensor.narrow(axis, 2 * shift, size - 2 * shift)
    torch.add(before, after, out=total.narrow(axis, shift, size - 2 * shift))
    total.narrow(axis, 0, shift).copy_(tensor.narrow(axis, shift, shift))
    total.narrow(axis, size - shift, shift).copy_(tensor.narrow(axis, size - 2 * shift, shift))
    return total
