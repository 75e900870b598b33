"""Linear interpolation in a table of rows, one row of features a voxel, with the slopes of what it finds.

`grid_sample` reads channels far apart.
"""

from itertools import product

import torch
from torch import Tensor


def rows_of(image: Tensor) -> Tensor:
    """Features of an image, `(C, *spatial)`, as rows, `(voxels, C)`."""
    return image.movedim(0, -1).flatten(0, -2).contiguous()


def corner(places: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Lowest of the corners around each place, from -1, and the way from there, both `(d, n)`."""
    end = _end(places, shape)
    places = torch.minimum(places.clamp_min(-1), end)
    first = torch.minimum(places.floor(), end - 1)
    return first, places - first


def is_near(places: Tensor, shape: torch.Size) -> Tensor:
    """Where a coordinate is so near the grid that it matters, `(d, n)`."""
    return (places > -1) & (places < _end(places, shape))


def _end(places: Tensor, shape: torch.Size) -> Tensor:
    return torch.tensor(shape, dtype=places.dtype, device=places.device)[:, None]


def corner_rows(first: Tensor, shape: torch.Size) -> Tensor:
    """Rows of the padded table at all corners, `(n, 2 ** d)`, the last axis fastest."""
    row = torch.zeros_like(first[0], dtype=torch.int32)
    steps = torch.zeros(2 ** len(shape), dtype=torch.int32, device=first.device)
    corners = torch.tensor(list(product((0, 1), repeat=len(shape))), dtype=torch.int32, device=first.device)
    for axis, size in enumerate(shape):
        row = row * (size + 2) + (first[axis].int() + 1)
        steps = steps * (size + 2) + corners[:, axis]
    return row[:, None] + steps


def corner_weights(fraction: Tensor) -> Tensor:
    """What each corner counts, `(n, 2 ** d)`, of the way from the lowest, `(d, n)`."""
    weights = torch.ones_like(fraction[:1])
    for way in fraction:
        high = weights * way
        weights = torch.stack([weights - high, high], dim=1).flatten(0, 1)
    return weights.T.contiguous()


def corner_slopes(values: Tensor, fraction: Tensor) -> tuple[Tensor, Tensor]:
    """Interpolate between the values of the corners, and tell how the result changes along each axis.

    Args:
        values: of each corner, `(2 ** d, n, ...)`, the last axis fastest.
        fraction: the way from the lowest corner, `(d, n, ...)`.

    Returns:
        The value, `(n, ...)`, and its slopes, `(d, n, ...)`.
    """
    slopes: list[Tensor] = []
    for way in fraction.flip(0):  # the axes from the last, which alternates fastest
        slope = values[1::2] - values[::2]
        slopes = [torch.lerp(s[::2], s[1::2], way) for s in slopes] + [slope]
        values = torch.lerp(values[::2], values[1::2], way)
    return values[0], torch.cat(slopes[::-1])
