"""How far two displacement fields are apart."""

import torch

from common.io import Field, InputError
from common.spatial import sample


def field_distance(first: Field, second: Field) -> dict[str, float]:
    """Distance of two fields over the part of the first one's grid that the second covers: mean, median, 95 %, maximum.

    Raises:
        InputError: if they do not overlap.
    """
    coordinates = first.grid.map_to(second.grid.affine)
    other = sample(second.displacement, coordinates)
    covered = sample(torch.ones(1, 1, *second.grid.shape), coordinates, padding="inside")[0, 0] > 0
    distance = (first.displacement - other)[0].norm(dim=0)[covered]
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
