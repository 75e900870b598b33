"""How well each voxel of a feature map fits every voxel around its place in another.

MONAI has no cost volume.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from common.spatial import mean_filter
from common.spatial.checks import check_count, check_image, check_same_space
from common.spatial.precision import full_precision, lift

from .progress import advance


def correlation_volume(fixed_features: Tensor, moving_features: Tensor, radius: int = 2) -> Tensor:
    """Compute the cost of every candidate displacement at every voxel.

    .. math:: C(x, d) = mean_{y near x} sum_c |F_c(y) - M_c(y + d)|

    with zeros outside M, and the mean over a box of three voxels a side, zeros outside. The gradient with respect to
    both feature maps is written out: nothing but the two maps is kept for it.

    Convention:
        Candidates are those of `displacement_candidates`: the first axis runs fastest.

    Args:
        fixed_features: F, `(B, C, *spatial)`, 2-D or 3-D, any unit.
        moving_features: M, `(B, C, *spatial)`, same unit.
        radius: largest displacement along each axis, voxels of the feature maps.

    Returns:
        Cost, `(B, (2 * radius + 1) ** d, *spatial)`, in the unit of the features, float32 or float64.

    Raises:
        TypeError: if an argument is not a tensor.
        ValueError: if the shapes differ or the radius is negative.

    Reference:
        Bigalke et al., "Unsupervised 3D Registration through Optimization-Guided Cyclical Self-training", MICCAI 2023,
        https://doi.org/10.1007/978-3-031-43999-5_64 -- section 2.2.

    Example:
        >>> features = torch.rand(1, 4, 5, 6, 7)
        >>> correlation_volume(features, features)[0, 62].max()  # the candidate in the middle: no displacement
        tensor(0.)
    """
    check_image("correlation_volume", "fixed_features", fixed_features)
    check_image("correlation_volume", "moving_features", moving_features)
    channels = fixed_features.shape[1]
    check_same_space("correlation_volume", "moving_features", moving_features, fixed_features, channels)
    check_count("correlation_volume", "radius", radius, 0)
    with full_precision(fixed_features):
        cost: Tensor = _AbsoluteDifferences.apply(lift(fixed_features), lift(moving_features), radius)
        return mean_filter(cost)


def displacement_candidates(radius: int, dims: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """List the displacements of a cost volume.

    Args:
        radius: largest displacement along each axis, voxels.
        dims: number of spatial axes.
        dtype: floating point type of the list.

    Returns:
        Displacements, `((2 * radius + 1) ** dims, dims)`, voxels; column c is along axis c, the first axis runs
        fastest.

    Example:
        >>> displacement_candidates(1, 2)[:4]
        tensor([[-1., -1.],
                [ 0., -1.],
                [ 1., -1.],
                [-1.,  0.]])
    """
    steps = range(-radius, radius + 1)
    return torch.tensor([place[::-1] for place in product(steps, repeat=dims)], dtype=dtype)


class _AbsoluteDifferences(torch.autograd.Function):
    """Sums of absolute differences without a tensor of K * C channels, forward or backward.

    Candidates that differ along the first axis alone, a line of the volume, are computed at once.
    """

    @staticmethod
    def forward(ctx: Any, fixed: Tensor, moving: Tensor, radius: int) -> Tensor:
        ctx.save_for_backward(fixed, moving)
        ctx.radius = radius
        width = 2 * radius + 1
        cost = fixed.new_empty(len(fixed), width ** (fixed.ndim - 2), *fixed.shape[2:])
        difference = fixed.new_empty(*fixed.shape[:2], width, *fixed.shape[2:])  # (B, C, width, *spatial)
        lines = iter(cost.split(width, dim=1))
        for done, rows in enumerate(_shifted_rows(moving, radius), start=1):
            for window in _windows(rows, radius):
                torch.sub(fixed[:, :, None], window, out=difference)
                torch.sum(difference.abs_(), 1, out=next(lines))
            advance("correlation", done, width)
        return cost

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        fixed, moving = ctx.saved_tensors
        radius, size = ctx.radius, moving.shape[-1]
        to_fixed, to_moving = torch.zeros_like(fixed), F.pad(torch.zeros_like(moving), _margin(moving, radius))
        slope = fixed.new_empty(*fixed.shape[:2], 2 * radius + 1, *fixed.shape[2:])
        lines = iter(gradient.split(2 * radius + 1, dim=1))
        for start, rows in enumerate(_shifted_rows(moving, radius)):
            to_rows = torch.zeros_like(rows)
            for window, target in zip(_windows(rows, radius), _windows(to_rows, radius), strict=True):
                torch.sub(fixed[:, :, None], window, out=slope)
                slope.sgn_().mul_(next(lines)[:, None])
                to_fixed.add_(slope.sum(2))
                for step in range(slope.shape[2]):  # the windows overlap along this axis, so one after the other
                    target[:, :, step].sub_(slope[:, :, step])
            to_moving.narrow(-1, start, size).add_(to_rows)
        return to_fixed, F.pad(to_moving, [-m for m in _margin(moving, radius)]), None


def _margin(image: Tensor, radius: int) -> list[int]:
    return [radius] * 2 * (image.ndim - 2)


def _shifted_rows(moving: Tensor, radius: int) -> Iterator[Tensor]:
    """Maps with a margin along all axes but the last, shifted along the last by -radius to radius.

    As copies, so that what is read for one candidate lies in long runs: it halves the time on a CPU.
    """
    padded = F.pad(moving, _margin(moving, radius))
    for start in range(2 * radius + 1):
        yield padded.narrow(-1, start, moving.shape[-1]).contiguous()


def _windows(rows: Tensor, radius: int) -> Iterator[Tensor]:
    """Views `(B, C, 2 * radius + 1, *spatial)`: all shifts along the first axis, for each shift of those between."""
    width = 2 * radius + 1
    lines = rows.unfold(2, rows.shape[2] - 2 * radius, 1).movedim(-1, 3)  # (B, C, width, H, W + 2 * radius, D)
    for place in product(range(width), repeat=rows.ndim - 4):
        window = lines
        for axis, start in enumerate(place[::-1], start=4):
            window = window.narrow(axis, start, window.shape[axis] - 2 * radius)
        yield window
