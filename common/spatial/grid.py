"""Voxel coordinates, and the one place where `grid_sample`'s normalized ones are known.

MONAI's `create_grid` counts from the center of the volume; its `Warp` rebuilds a grid on every call.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import torch
from torch import Tensor

SLAB = 2**20  # voxels that are worked on at a time where a grid may be that of a large scan


def identity_grid(
    spatial_shape: Sequence[int], dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> Tensor:
    """Return the voxel coordinates of a grid.

    The tensor is shared between callers and must not be modified in place.

    Args:
        spatial_shape: `(H, W)` or `(H, W, D)`.
        dtype: floating point type of the coordinates.
        device: where the tensor lies.

    Returns:
        Voxel coordinates, `(d, *spatial)`; channel c counts along spatial axis c.

    Example:
        >>> identity_grid((2, 3))[1]
        tensor([[0., 1., 2.],
                [0., 1., 2.]])
    """
    if torch.jit.is_tracing():  # the cache would turn the grid of the example input into a constant
        return _build(spatial_shape, dtype, torch.device(device))
    return _cached(tuple(spatial_shape), dtype, torch.device(device))


def to_normalized(coordinates: Tensor, spatial_shape: Sequence[int]) -> Tensor:
    """Turn voxel coordinates into those of `grid_sample(align_corners=True)`.

    An axis of one voxel has a single place: every coordinate along it means this voxel.

    Args:
        coordinates: `(B, d, *out)`, voxels of the grid that is sampled.
        spatial_shape: shape of that grid.

    Returns:
        `(B, *out, d)`, -1 at the first and 1 at the last voxel center, axes in reversed order.
    """
    axes = [coordinates[:, c] * (2 / _extent(n)) - 1 for c, n in enumerate(spatial_shape)]
    return torch.stack(axes[::-1], dim=-1)


def slabs(shape: Sequence[int]) -> Iterator[slice]:
    """Planes along the first axis of an array, about `SLAB` voxels at a time."""
    thickness = max(1, SLAB // max(1, math.prod(shape[1:])))
    for start in range(0, shape[0], thickness):
        yield slice(start, min(start + thickness, shape[0]))


def _extent(size: int) -> int:
    """Voxel steps from end to end, 1 for a single voxel; without a branch, so that a trace holds at any size."""
    return size - 1 + (size == 1)


@lru_cache(maxsize=16)
def _cached(spatial_shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    # An inference tensor in the cache would break the next training step.
    with torch.inference_mode(False):
        return _build(spatial_shape, dtype, device)


def _build(spatial_shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
    axes = [torch.arange(n, dtype=dtype, device=device) for n in spatial_shape]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))
