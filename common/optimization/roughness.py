"""How rough a displacement field is, by first or by second differences, with the gradient at half autograd's price.

MONAI's `BendingEnergyLoss` and `DiffusionLoss` take central differences, which let every second voxel swing freely.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from common.spatial.checks import check_ddf

from ._chunks import SLAB

Roughness = Callable[[Tensor, float], Tensor]


def stretching(ddf: Tensor, spacing: float = 1.0) -> Tensor:
    r"""Squares of the first differences, as paper 003 has them: zero for a translation.

    .. math:: R(u) = \sum_a mean_x |u(x + e_a) - u(x)|^2

    Args:
        ddf: displacement u, `(B, d, *spatial)`, voxels.
        spacing: from one place of the field to the next, voxels.

    Returns:
        Scalar, squared voxels of displacement per voxel.

    Raises:
        TypeError: if the field is not a tensor of floating point numbers.
        ValueError: if its shape is wrong.

    Example:
        >>> ramp = torch.arange(5.0).view(1, 1, 5, 1).expand(1, 2, 5, 6)
        >>> stretching(ramp), bending(ramp)
        (tensor(1.), tensor(0.))
    """
    check_ddf("stretching", ddf)
    roughness: Tensor = _Stretching.apply(ddf)
    return roughness / spacing**2


def bending(ddf: Tensor, spacing: float = 1.0) -> Tensor:
    r"""Bending energy, squares of the second differences: zero for an affine field.

    .. math:: R(u) = \sum_{a, b} mean_x |D_a D_b u(x)|^2

    with D_a the difference of neighbors along axis a.

    Args:
        ddf: displacement u, `(B, d, *spatial)`, voxels.
        spacing: from one place of the field to the next, voxels.

    Returns:
        Scalar, squared voxels of displacement per voxel to the fourth.

    Raises:
        TypeError: if the field is not a tensor of floating point numbers.
        ValueError: if its shape is wrong.

    Reference:
        Rueckert et al., "Nonrigid registration using free-form deformations", IEEE TMI 1999,
        https://doi.org/10.1109/42.796284 -- equation (8).
    """
    check_ddf("bending", ddf)
    roughness: Tensor = _Bending.apply(ddf)
    return roughness / spacing**4


class _Roughness(torch.autograd.Function):
    """Its forward pass saves the gradient."""

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return ctx.saved_tensors[0] * gradient


class _Stretching(_Roughness):
    @staticmethod
    def forward(ctx: Any, field: Tensor) -> Tensor:
        roughness, gradient = field.new_zeros(()), torch.zeros_like(field)
        for axis in range(2, field.ndim):
            difference = _difference(field, axis)
            roughness += _weigh(difference, 1, difference.numel())
            _scatter(difference, gradient, axis)
        ctx.save_for_backward(gradient)
        return roughness


class _Bending(_Roughness):
    @staticmethod
    def forward(ctx: Any, field: Tensor) -> Tensor:
        roughness, gradient = field.new_zeros(()), torch.zeros_like(field)
        rows = max(SLAB // max(field[:, :, :1].numel(), 1), 1) if field.device.type == "cpu" else field.shape[2]
        for start in range(0, field.shape[2], rows):
            slab = slice(start, start + rows + 2)  # differences that begin in these rows reach two further
            roughness += _bend(field[:, :, slab], gradient[:, :, slab], rows, field.shape)
        ctx.save_for_backward(gradient)
        return roughness


def _bend(field: Tensor, gradient: Tensor, rows: int, shape: torch.Size) -> Tensor:
    """Share of the second differences that begin in the first rows of a slab; adds their gradient to its own."""
    share = field.new_zeros(())
    for axis in range(2, field.ndim):
        some = slice(None) if axis == 2 else slice(rows)
        first = _difference(field[:, :, some], axis)
        to_first = torch.zeros_like(first)
        for other in range(axis, field.ndim):
            some_first = slice(None) if other == 2 else slice(rows)
            second = _difference(first[:, :, some_first], other)
            times = 1 if other == axis else 2  # D_a D_b and D_b D_a
            share += _weigh(second, times, _count(shape, axis, other))
            _scatter(second, to_first[:, :, some_first], other)
        _scatter(to_first, gradient[:, :, some], axis)
    return share


def _count(shape: torch.Size, *axes: int) -> int:
    """How many differences a field of some shape has along some axes, one after the other."""
    return prod(max(size - axes.count(axis), 0) for axis, size in enumerate(shape))


def _difference(field: Tensor, axis: int) -> Tensor:
    """Of neighbors along an axis; none where there is one voxel or none."""
    steps = max(field.shape[axis] - 1, 0)
    return field.narrow(axis, field.shape[axis] - steps, steps) - field.narrow(axis, 0, steps)


def _weigh(difference: Tensor, times: int, count: int) -> Tensor:
    """Sum of the squares, some times, over a count; turns the differences into the gradient with respect to them."""
    share = times * torch.dot(difference.flatten(), difference.flatten()) / max(count, 1)
    difference *= 2 * times / max(count, 1)
    return share


def _scatter(difference: Tensor, gradient: Tensor, axis: int) -> None:
    """Hand a gradient with respect to differences along an axis on to what they are of."""
    steps = difference.shape[axis]
    gradient.narrow(axis, gradient.shape[axis] - steps, steps).add_(difference)
    gradient.narrow(axis, 0, steps).sub_(difference)
