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
from common.spatial._checks import check_count, check_image, check_same_space
from common.spatial._precision import full_precision, lift


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
    """Sum of absolute differences, `(B, K, *spatial)`, without a tensor of K * C channels forward or backward."""

    @staticmethod
    def forward(ctx: Any, fixed: Tensor, moving: Tensor, radius: int) -> Tensor:
        ctx.save_for_backward(fixed, moving)
        ctx.radius = radius
        padded = F.pad(moving, (radius,) * 2 * (moving.ndim - 2))
        width = 2 * radius + 1
        cost = fixed.new_empty(len(fixed), width ** (fixed.ndim - 2), *fixed.shape[2:])
        difference = fixed.new_empty(*fixed.shape[:2], width, *fixed.shape[2:])  # (B, C, width, *spatial)
        for line, window in _windows(padded, fixed.shape[2:]):
            torch.sub(fixed[:, :, None], window, out=difference)
            torch.sum(difference.abs_(), 1, out=cost[:, line])
        return cost

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        fixed, moving = ctx.saved_tensors
        margin = (ctx.radius,) * 2 * (moving.ndim - 2)
        padded = F.pad(moving, margin)
        to_fixed, to_padded = torch.zeros_like(fixed), torch.zeros_like(padded)
        windows = zip(_windows(padded, fixed.shape[2:]), _windows(to_padded, fixed.shape[2:]), strict=True)
        for (line, window), (_, target) in windows:
            slope = torch.sub(fixed[:, :, None], window).sgn_().mul_(gradient[:, None, line])
            to_fixed.add_(slope.sum(2))
            for step in range(slope.shape[2]):  # the windows overlap along this axis, so one after the other
                target[:, :, step].sub_(slope[:, :, step])
        return to_fixed, F.pad(to_padded, [-m for m in margin]), None


def _windows(padded: Tensor, spatial_shape: torch.Size) -> Iterator[tuple[slice, Tensor]]:
    """Pair candidates that differ along the first axis alone with their views `(B, C, width, *spatial)` of a map."""
    lines = padded.unfold(2, spatial_shape[0], 1).movedim(-1, 3)  # (B, C, width, H, W + margin, ...)
    width = lines.shape[2]
    for number, place in enumerate(product(range(width), repeat=len(spatial_shape) - 1)):
        window = lines
        for axis, (start, size) in enumerate(zip(place[::-1], spatial_shape[1:], strict=True), start=4):
            window = window.narrow(axis, start, size)
        yield slice(number * width, (number + 1) * width), window
