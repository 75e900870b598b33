"""Invert a displacement field at any points, and say where that is possible.

MONAI cannot invert a field.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from ._broyden import solve
from ._starts import displacement_back, inverse_jacobian, starts_of_stuck
from .checks import check_count, check_ddf, check_points
from .folds import reached_by_folds
from .grid import identity_grid
from .precision import full_precision, lift
from .sampling import sample

# Points solved at a time: bounds the memory, and what is worked on stays in the processor's cache.
PORTION = 2**18
SAMPLES = 12  # voxels along each axis that the affine part is fitted to
COARSEST = 4  # voxels from one to the next of those among which few points look for their start


class InversePoints(NamedTuple):
    """Where points come from, and how far that can be trusted.

    Attributes:
        points: partner x of each point y, `(B, N, d)`, voxels.
        residual: `|x + u(x) - y|`, `(B, N)`, voxels; 0 where x is exact.
        inside: `(B, N)`, bool: x lies in the grid or at most half a voxel beyond its outermost centers. Farther out
            the field is not known and was continued with its border values.
        several: `(B, N)`, bool: where the field folds it brings several places to this one.
    """

    points: Tensor
    residual: Tensor
    inside: Tensor
    several: Tensor


@torch.no_grad()
def invert_points(points: Tensor, ddf: Tensor, iterations: int = 50, tolerance: float = 1e-3) -> InversePoints:
    r"""Find where points come from, by damped, accelerated fixed-point iteration.

    .. math:: x \leftarrow x - s H (x + u(x) - y)

    With s = 1 and H = I this is the paper's iteration, which converges only where u changes slowly. Here H begins as
    the inverse of the field's affine part, every point learns its own from the steps it made (Broyden's update), and
    s is halved when the residual grew, so that large fields converge as well, in fewer steps. Points begin where the
    nearest voxel comes from, few points where the nearest of every n-th voxel does, and those that get stuck once more
    where the affine part says. There is no gradient.

    Args:
        points: y, `(B, N, d)`, voxels of the field's grid; they may lie anywhere.
        ddf: displacement u, `(B, d, *spatial)`, voxels.
        iterations: most iterations of a point from one start.
        tolerance: residual at which a point is done, voxels.

    Returns:
        Partners, their residual, and where they are the only ones. Where there is none, the residual says so.

    Raises:
        TypeError: if an argument is not a tensor of floating point numbers.
        ValueError: if the shapes do not fit or `iterations` is not positive.

    Reference:
        Chen et al., "A simple fixed-point approach to invert a deformation field", Medical Physics 2008,
        https://doi.org/10.1118/1.2816107. Broyden, "A class of methods for solving nonlinear simultaneous
        equations", Mathematics of Computation 1965, https://doi.org/10.1090/S0025-5718-1965-0198670-6.

    Example:
        >>> invert_points(torch.tensor([[[2.0, 3.0]]]), torch.full((1, 2, 4, 5), 0.5)).points
        tensor([[[1.5000, 2.5000]]])
    """
    check_ddf("invert_points", ddf)
    check_points("invert_points", "points", points, ddf.shape[0], ddf.shape[1])
    check_count("invert_points", "iterations", iterations)
    with full_precision(ddf):
        ddf = lift(ddf)
        targets = points.to(ddf.dtype).transpose(1, 2)  # (B, d, N)
        items = [_invert(u[None], y.contiguous(), iterations, tolerance) for u, y in zip(ddf, targets, strict=True)]
        solved, several = torch.stack([item[0] for item in items]), torch.stack([item[1] for item in items])
        partners = solved[:, :-1].transpose(1, 2)
        return InversePoints(partners, solved[:, -1], _inside(partners, ddf.shape[2:]), several)


def _invert(ddf: Tensor, targets: Tensor, iterations: int, tolerance: float) -> tuple[Tensor, Tensor]:
    """Invert one field at places `(d, N)`: partners with their residual appended, `(d + 1, N)`, and who has several."""
    arrivals = identity_grid(ddf.shape[2:], ddf.dtype, ddf.device) + ddf[0]
    back, offset = _affine_back(arrivals)
    # Without its affine part the field brings every voxel to somewhere near itself.
    arrivals, wanted = _affine(arrivals, back, offset), _affine(targets, back, offset)
    start = wanted + _back_at(wanted, arrivals)
    solved = torch.cat([start, torch.full_like(targets[:1], torch.inf)])
    for portion in torch.arange(targets.shape[1], device=ddf.device).split(PORTION):
        h = back[..., None].expand(-1, -1, len(portion))
        solved[:, portion] = solve(ddf, targets[:, portion], start[:, portion], h, iterations, tolerance)
    stuck = (~(solved[-1] <= tolerance)).nonzero()[:, 0]
    change = partial(_affine, linear=back, offset=offset)
    for number, start in starts_of_stuck(ddf, change, wanted[:, stuck]):
        k = stuck[number]
        again = solve(ddf, targets[:, k], start, inverse_jacobian(ddf, start), iterations, tolerance)
        best = again[:, _first_of_least(again[-1], k)]
        k = k.unique()
        solved[:, k] = torch.where(best[-1] < solved[-1, k], best, solved[:, k])
    return solved, reached_by_folds(arrivals, wanted)


def _back_at(wanted: Tensor, arrivals: Tensor) -> Tensor:
    """About where places come from, minus themselves, `(d, N)`: as exact as it pays for so many of them."""
    ratio = arrivals[0].numel() / max(wanted.shape[1], 1)
    step = min(max(int(ratio ** (1 / len(arrivals))), 1), COARSEST)
    coarse = arrivals[(slice(None), *[slice(None, None, step)] * len(arrivals))] / step
    return sample(displacement_back(coarse)[None], wanted[None] / step, mode="nearest")[0] * step


def _first_of_least(values: Tensor, groups: Tensor) -> Tensor:
    """Where the least value of each group is, in the order of the groups."""
    order = values.argsort(stable=True)
    order = order[groups[order].argsort(stable=True)]
    counts = groups[order].unique_consecutive(return_counts=True)[1]
    return order[counts.cumsum(dim=0) - counts]


def _affine(points: Tensor, linear: Tensor, offset: Tensor) -> Tensor:
    return torch.einsum("ij,j...->i...", linear, points) + offset.view(-1, *[1] * (points.ndim - 1))


def _affine_back(arrivals: Tensor) -> tuple[Tensor, Tensor]:
    """Inverse of the least-squares affine map, `(d, d)` and `(d,)`; an axis of one voxel is left alone."""
    shape = arrivals.shape[1:]
    index = torch.cartesian_prod(*[torch.linspace(0, n - 1, min(n, SAMPLES)).round().long() for n in shape])
    fixed, moved = index.double(), arrivals[(slice(None), *index.T)].T.double().cpu()
    center, middle = fixed.mean(dim=0), moved.mean(dim=0)
    linear = torch.eye(len(shape), dtype=torch.float64)
    long = [c for c, n in enumerate(shape) if n > 1]
    linear[:, long] = torch.linalg.lstsq((fixed - center)[:, long], moved - middle).solution.T
    back, failed = torch.linalg.inv_ex(linear)
    if failed or not back.isfinite().all():  # all voxels arrive in a plane
        back = torch.eye(len(shape), dtype=torch.float64)
    return back.to(arrivals), (center - back @ middle).to(arrivals)


def _inside(points: Tensor, shape: torch.Size) -> Tensor:
    last = torch.tensor(shape, dtype=points.dtype, device=points.device) - 0.5
    return ((points >= -0.5) & (points <= last)).all(dim=-1)
