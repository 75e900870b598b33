"""Box filter, the workhorse of descriptors, cost volumes and regularization.

MONAI's `MeanFilter` is a dense convolution and on a CPU `avg_pool3d` is little better; here shifted slices are added,
or short axes multiplied by a matrix.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_count, check_image
from .precision import full_precision, lift

LONGEST = 400  # voxels of an axis that is multiplied by a matrix


def mean_filter(image: Tensor, repeats: int = 1) -> Tensor:
    """Average each voxel with its neighbors in a box of three voxels a side.

    Zeros surround the image, and the sum is divided by `3**d` at the border as well: the values of
    `avg_pool3d(image, 3, stride=1, padding=1)`. The operator is its own adjoint, so its gradient costs what it costs.

    Args:
        image: `(B, C, *spatial)`, 2-D or 3-D, floating point. Half precision is summed in float32.
        repeats: how often the filter is applied.

    Returns:
        Smoothed image, like `image` in shape and type.

    Raises:
        TypeError: if the image is not a tensor of floating point numbers.
        ValueError: if its shape is wrong or `repeats` is negative.
    """
    _check("mean_filter", image, repeats)
    if repeats == 0:
        return image
    smoothed: Tensor = _MeanFilter.apply(lift(image), repeats)
    return smoothed.to(image.dtype)


def mean_filter_inside(image: Tensor, repeats: int = 1) -> Tensor:
    """Average each voxel with those neighbors in a box of three voxels a side that the image has.

    A constant stays one. Along each axis all repeats are one matrix: where a CPU multiplies by it faster than it adds
    slices, it does so.

    Args:
        image: `(B, C, *spatial)`, 2-D or 3-D, floating point. Half precision is summed in float32.
        repeats: how often the filter is applied.

    Returns:
        Smoothed image, like `image` in shape and type.

    Raises:
        TypeError: if the image is not a tensor of floating point numbers.
        ValueError: if its shape is wrong or `repeats` is negative.

    Example:
        >>> mean_filter_inside(torch.tensor([[[[0.0, 3.0, 0.0, 0.0]]]]))
        tensor([[[[1.5000, 1.0000, 1.0000, 0.0000]]]])
    """
    _check("mean_filter_inside", image, repeats)
    if repeats == 0:
        return image
    smoothed = lift(image)
    if not _is_quick_by_matrices(image):
        share = mean_filter(torch.ones_like(smoothed[:1, :1]))
        for _ in range(repeats):
            smoothed = mean_filter(smoothed) / share
        return smoothed.to(image.dtype)
    with full_precision(image):
        for axis in range(2, image.ndim - 1):
            rows = smoothed.reshape(*image.shape[: axis + 1], -1)
            smoothed = (_averages(image.shape[axis], repeats).to(rows) @ rows).view_as(image)
        smoothed = smoothed @ _averages(image.shape[-1], repeats).T.to(smoothed)
    return smoothed.to(image.dtype)


def _is_quick_by_matrices(image: Tensor) -> bool:
    """Axes that are not long, on a CPU that multiplies in full precision."""
    precise = torch.get_float32_matmul_precision() != "medium"
    return image.device.type == "cpu" and precise and max(image.shape[2:]) <= LONGEST


def _averages(size: int, repeats: int) -> Tensor:
    """Weights of all voxels of a row in the repeated average at each, `(size, size)`, float64."""
    near = torch.ones(size, size, dtype=torch.float64).triu(-1).tril(1)
    return torch.linalg.matrix_power(near / near.sum(dim=1, keepdim=True), repeats)


def _check(name: str, image: Tensor, repeats: int) -> None:
    check_image(name, "image", image)
    check_count(name, "repeats", repeats, 0)
    if not image.is_floating_point():
        raise TypeError(f"{name}() expects 'image' of floating point numbers, got {image.dtype}.")


def window_sum(image: Tensor, size: int) -> Tensor:
    """Sum each voxel with its neighbors in a box of `size` voxels a side, zeros around the image.

    The operator is its own adjoint, so its gradient costs what it costs.

    Args:
        image: `(B, C, *spatial)`, 2-D or 3-D, floating point. Half precision is summed in float32.
        size: odd number of voxels.

    Returns:
        Sums, `(B, C, *spatial)`, float32 or float64.

    Raises:
        TypeError: if the image is not a tensor.
        ValueError: if its shape is wrong or `size` is not odd and positive.

    Example:
        >>> window_sum(torch.ones(1, 1, 3, 3), 3)[0, 0]
        tensor([[4., 6., 4.],
                [6., 9., 6.],
                [4., 6., 4.]])
    """
    check_image("window_sum", "image", image)
    if size < 1 or size % 2 == 0:
        raise ValueError(f"window_sum() expects 'size' to be odd and positive, got {size}.")
    total: Tensor = _WindowSum.apply(lift(image), size)
    return total


class _WindowSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, size: int) -> Tensor:
        ctx.size = size
        for axis in range(2, image.ndim):
            image = _sum_along(image, axis, size // 2)
        return image

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _WindowSum.apply(gradient, ctx.size), None


def _sum_along(tensor: Tensor, axis: int, reach: int) -> Tensor:
    total = tensor.clone(memory_format=torch.contiguous_format)
    for shift in range(1, min(reach, tensor.shape[axis] - 1) + 1):
        steps = tensor.shape[axis] - shift
        total.narrow(axis, 0, steps).add_(tensor.narrow(axis, shift, steps))
        total.narrow(axis, shift, steps).add_(tensor.narrow(axis, 0, steps))
    return total


class _MeanFilter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, repeats: int) -> Tensor:
        ctx.repeats = repeats
        if image.device.type != "cpu":
            return pooled(image, repeats)
        for _ in range(repeats):
            for axis in range(2, image.ndim):
                image = _sum_of_three(image, axis)
            image.div_(3 ** (image.ndim - 2))
        return image

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _MeanFilter.apply(gradient, ctx.repeats), None


def pooled(image: Tensor, repeats: int) -> Tensor:
    """`mean_filter` as a device wants it that takes long to start a computation: one for each repeat, not eleven."""
    pool = F.avg_pool3d if image.ndim == 5 else F.avg_pool2d
    for _ in range(repeats):
        image = pool(image, 3, stride=1, padding=1)
    return image


def _sum_of_three(tensor: Tensor, axis: int) -> Tensor:
    steps = tensor.shape[axis] - 1
    before, after = tensor.narrow(axis, 0, steps), tensor.narrow(axis, 1, steps)
    total = torch.empty_like(tensor, memory_format=torch.contiguous_format)
    total.select(axis, 0).copy_(tensor.select(axis, 0))
    torch.add(before, after, out=total.narrow(axis, 1, steps))
    total.narrow(axis, 0, steps).add_(after)
    return total
