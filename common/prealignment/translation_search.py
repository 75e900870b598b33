"""A start for linear registration that headers cannot mislead: the best of many offsets on very coarse scans.

Scans of different field of view (a chest against an abdomen) share neither center nor center of mass, and a descent
from there ends in a wrong valley.
"""

import torch

from common.metrics import normalized_mutual_information
from common.spatial import Grid, sample

from .coarse import Coarse, shrink

LONGEST_AXIS = 20  # voxels of the fixed scan the search looks at
REACH = (0.2, 0.5)  # largest offset across and along the longest world axis of the body (z), share of the extent
STEP = 0.1  # share of the extent
MINIMUM_OVERLAP = 0.3
BINS = 16


def search_translation(fixed: Coarse, moving: Coarse, candidates: list[torch.Tensor]) -> torch.Tensor:
    r"""Find the offset with the highest mutual information, overlap counted in.

    .. math:: s(t) = (NMI(t) - 1) \sqrt{overlap(t)}

    Args:
        fixed: the scan that stays.
        moving: the scan that is brought onto it.
        candidates: offsets to try besides those around the centers of the fields of view, ``(d,)`` each, LPS mm.

    Returns:
        Offset that takes fixed world points to moving world points, ``(d,)``, LPS mm, float64.
    """
    fixed, moving = shrink_both(fixed, moving)
    offsets = [*candidates, *_around_centers(fixed, moving)]
    return max(offsets, key=lambda offset: score(fixed, moving, translation(offset)))


def shrink_both(fixed: Coarse, moving: Coarse) -> tuple[Coarse, Coarse]:
    """Both scans with about LONGEST_AXIS voxels along the longest axis of the fixed one."""
    factor = max(1, round(max(fixed.values.shape) / LONGEST_AXIS))
    return shrink(fixed, factor), shrink(moving, max(1, round(factor * fixed.spacing / moving.spacing)))


def _extent(scan: Coarse) -> torch.Tensor:
    return torch.tensor(scan.values.shape).double() * scan.spacing


def _around_centers(fixed: Coarse, moving: Coarse) -> list[torch.Tensor]:
    first = torch.tensor(fixed.origin).double() + (_extent(fixed) - fixed.spacing) / 2
    second = torch.tensor(moving.origin).double() + (_extent(moving) - moving.spacing) / 2
    dims = fixed.values.ndim
    reaches = [REACH[axis == 2] for axis in range(dims)]
    shares = [torch.arange(-reach, reach + 1e-6, STEP).double() for reach in reaches]
    return list(second - first + torch.cartesian_prod(*shares) * _extent(fixed))


def score(fixed: Coarse, moving: Coarse, matrix: torch.Tensor) -> float:
    """Mutual information of two very coarse scans under a matrix from fixed to moving world points, LPS mm."""
    index = Grid(fixed.grid.shape, matrix @ fixed.grid.affine).map_to(moving.grid.affine)
    inside = sample(moving.inside[None, None].float(), index, "nearest", "inside")[0, 0] > 0.5
    inside &= fixed.inside
    overlap = float(inside.float().mean() / fixed.inside.float().mean())
    if overlap < MINIMUM_OVERLAP:
        return -1.0
    values = sample(moving.values[None, None], index.movedim(1, -1)[:, inside].mT)[0, 0]
    similarity = normalized_mutual_information(fixed.values[inside], values, bins=BINS)
    return (similarity - 1) * overlap**0.5


def translation(offset: torch.Tensor) -> torch.Tensor:
    """The matrix of an offset, ``(d + 1, d + 1)``."""
    matrix = torch.eye(len(offset) + 1, dtype=torch.float64)
    matrix[:-1, -1] = offset
    return matrix
