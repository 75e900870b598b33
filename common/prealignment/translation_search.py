"""A start for linear registration that headers cannot mislead: the best of many offsets on very coarse scans.

Scans of different field of view (a chest against an abdomen) share neither center nor center of mass, and a descent
from there ends in a wrong valley.
"""

import torch
import torch.nn.functional as F

from common.metrics import normalized_mutual_information
from common.spatial import identity_grid, sample

from .linear_registration import Coarse

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
    factor = max(1, round(max(fixed.values.shape) / LONGEST_AXIS))
    coarse_fixed = _shrink(fixed, factor)
    coarse_moving = _shrink(moving, max(1, round(factor * fixed.spacing / moving.spacing)))
    offsets = [*candidates, *_around_centers(coarse_fixed, coarse_moving)]
    scores = [_score(coarse_fixed, coarse_moving, offset) for offset in offsets]
    return offsets[max(range(len(scores)), key=scores.__getitem__)]


def _shrink(scan: Coarse, factor: int) -> Coarse:
    pool = F.avg_pool3d if scan.values.ndim == 3 else F.avg_pool2d
    values = pool(scan.values[None, None], factor)[0, 0]
    inside = pool(scan.inside[None, None].float(), factor)[0, 0] > 0.5
    origin = [corner + (factor - 1) / 2 * scan.spacing for corner in scan.origin]
    return Coarse(values, inside, origin, factor * scan.spacing)


def _extent(scan: Coarse) -> torch.Tensor:
    return torch.tensor(scan.values.shape).double() * scan.spacing


def _around_centers(fixed: Coarse, moving: Coarse) -> list[torch.Tensor]:
    first = torch.tensor(fixed.origin).double() + (_extent(fixed) - fixed.spacing) / 2
    second = torch.tensor(moving.origin).double() + (_extent(moving) - moving.spacing) / 2
    dims = fixed.values.ndim
    reaches = [REACH[axis == 2] for axis in range(dims)]
    shares = [torch.arange(-reach, reach + 1e-6, STEP).double() for reach in reaches]
    return list(second - first + torch.cartesian_prod(*shares) * _extent(fixed))


def _score(fixed: Coarse, moving: Coarse, offset: torch.Tensor) -> float:
    points = identity_grid(fixed.values.shape).flatten(1).double()  # (d, N)
    shift = torch.tensor(fixed.origin) + offset - torch.tensor(moving.origin)
    index = ((points * fixed.spacing + shift[:, None]) / moving.spacing)[None].float()
    inside = sample(moving.inside[None, None].float(), index, padding="zeros")[0, 0] > 0.5
    inside &= fixed.inside.flatten()
    overlap = float(inside.float().mean() / fixed.inside.float().mean())
    if overlap < MINIMUM_OVERLAP:
        return -1.0
    values = sample(moving.values[None, None], index[..., inside])[0, 0]
    similarity = normalized_mutual_information(fixed.values.flatten()[inside], values, bins=BINS)
    return (similarity - 1) * overlap**0.5
