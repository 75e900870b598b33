"""How far two displacement fields are apart, and how far from being one another's inverse."""

import torch
from torch import Tensor

from common.io import Field, InputError
from common.spatial import displacement_from_world, sample


def field_distance(first: Field, second: Field) -> dict[str, float]:
    """Distance of two fields over the part of the first one's grid that the second covers.

    .. math:: e(x) = |u(x) - v(x)|

    Args:
        first: u.
        second: v, interpolated at the voxels of the grid of u.

    Returns:
        ``mean_mm``, ``median_mm``, ``p95_mm``, ``max_mm``, and the part as ``covered_percent``.

    Raises:
        InputError: if they do not overlap.
    """
    return _summarize(first.displacement, second, first.grid.map_to(second.grid.affine))


def inverse_consistency(first: Field, second: Field) -> dict[str, float]:
    """Distance from where they start to where two fields bring the voxels of the first one's grid, there and back.

    .. math:: e(x) = |u(x) + v(x + u(x))|

    Args:
        first: u, there.
        second: v, back, on a grid of its own.

    Returns:
        See `field_distance`; of the voxels that the first field brings onto the grid of the second.

    Raises:
        InputError: if it brings none there.
    """
    step = displacement_from_world(first.displacement, second.grid.affine)
    return _summarize(-first.displacement, second, first.grid.map_to(second.grid.affine) + step)


def _summarize(displacement: Tensor, second: Field, coordinates: Tensor) -> dict[str, float]:
    """Of the differences of a displacement and that of the second field at coordinates of its voxels."""
    other = sample(second.displacement, coordinates)
    covered = sample(torch.ones(1, 1, *second.grid.shape), coordinates, padding="inside")[0, 0] > 0
    distance = (displacement - other)[0].norm(dim=0)[covered]
    if not len(distance):
        raise InputError("The two fields do not overlap in space.")
    ordered = distance.sort().values
    quantile = {name: float(ordered[round(q * (len(ordered) - 1))]) for name, q in (("median", 0.5), ("p95", 0.95))}
    return {
        "mean_mm": float(distance.double().mean()),
        "median_mm": quantile["median"],
        "p95_mm": quantile["p95"],
        "max_mm": float(ordered[-1]),
        "covered_percent": 100 * float(covered.double().mean()),
    }
