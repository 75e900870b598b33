"""Invert a displacement field, and say how well.

MONAI cannot invert a field.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .checks import check_count, check_ddf
from .grid import identity_grid
from .precision import full_precision, lift
from .sample import sample
from .smooth import mean_filter

# Voxels solved at a time: bounds the memory, and what is worked on stays in the processor's cache.
PORTION = 2**18
# A voxel that gets stuck starts again from what its neighbors found, this often at most.
RESTARTS = 3
LEAST_DAMPING = 0.1


class Inverse(NamedTuple):
    """Inverse of a field and how far it can be trusted.

    Attributes:
        ddf: inverse displacement v, `(B, d, *spatial)`, voxels.
        residual: `|v(x) + u(x + v(x))|`, `(B, *spatial)`, voxels; 0 where v is exact.
        inside: `(B, *spatial)`, bool: the partner `x + v(x)` lies within the grid. Elsewhere the field is not known
            and was continued with its border values.
    """

    ddf: Tensor
    residual: Tensor
    inside: Tensor


@torch.no_grad()
def invert(ddf: Tensor, iterations: int = 50, tolerance: float = 1e-3) -> Inverse:
    r"""Invert a displacement field by damped, accelerated fixed-point iteration.

    .. math:: v \leftarrow v - s H (v + u(x + v))

    With s = 1 and H = I this is the paper's `v <- -u(x + v)`, which converges only where u changes slowly. Here every
    voxel learns its own matrix H from the steps it made (Broyden's update) and halves s when the residual grew, so
    that large smooth fields converge as well, in fewer steps; the few that get stuck start again from the mean of
    their neighbors. There is no gradient.

    Args:
        ddf: displacement u, `(B, d, *spatial)`, voxels.
        iterations: most iterations of a voxel from one start.
        tolerance: residual at which a voxel is done, voxels.

    Returns:
        Inverse, its residual, and the voxels whose partner is in the grid. Where the field folds there is no single
        inverse; where none was found the residual says so.

    Raises:
        TypeError: if the field is not a tensor of floating point numbers.
        ValueError: if its shape is wrong or `iterations` is not positive.

    Reference:
        Chen et al., "A simple fixed-point approach to invert a deformation field", Medical Physics 2008,
        https://doi.org/10.1118/1.2816107. Broyden, "A class of methods for solving nonlinear simultaneous
        equations", Mathematics of Computation 1965, https://doi.org/10.1090/S0025-5718-1965-0198670-6.

    Example:
        >>> invert(torch.full((1, 2, 4, 5), 0.5)).ddf.unique()
        tensor([-0.5000])
    """
    check_ddf("invert", ddf)
    check_count("invert", "iterations", iterations)
    with full_precision(ddf):
        ddf = lift(ddf)
        solved = torch.stack([_invert(item[None], iterations, tolerance) for item in ddf])  # (B, d + 1, *spatial)
        inverse = solved[:, :-1].contiguous()
        places = inverse + identity_grid(ddf.shape[2:], ddf.dtype, ddf.device)
        return Inverse(inverse, solved[:, -1], _inside(places))


def _invert(ddf: Tensor, iterations: int, tolerance: float) -> Tensor:
    """Invert one field `(1, d, *spatial)`; return the inverse with its residual appended, `(d + 1, *spatial)`."""
    places = identity_grid(ddf.shape[2:], ddf.dtype, ddf.device).flatten(1)
    solved = torch.zeros_like(places[:1]).repeat(len(places) + 1, 1)
    solved[-1] = torch.inf
    for _ in range(1 + RESTARTS):
        todo = (solved[-1] > tolerance).nonzero()[:, 0]
        if len(todo) == 0:
            break
        start = _mean_of_the_solved(solved.view(-1, *ddf.shape[2:]), tolerance).flatten(1)
        for portion in todo.split(PORTION):
            again = _solve(ddf, places[:, portion], start[:, portion], iterations, tolerance)
            solved[:, portion] = torch.where(again[-1] < solved[-1, portion], again, solved[:, portion])
    return solved.view(-1, *ddf.shape[2:])


def _mean_of_the_solved(solved: Tensor, tolerance: float) -> Tensor:
    """Mean of the solutions around each voxel, `(d, *spatial)`, 0 where there are none."""
    known = (solved[-1:] <= tolerance).to(solved)
    return mean_filter((solved[:-1] * known)[None])[0] / mean_filter(known[None])[0].clamp(min=1e-3)


def _solve(ddf: Tensor, places: Tensor, v: Tensor, iterations: int, tolerance: float) -> Tensor:
    """Solve `v + u(x + v) = 0` at places `(d, N)` from a first v; return v with its residual appended, `(d + 1, N)`."""
    longest = _length(ddf[0].flatten(1)).max()
    unit = torch.eye(len(places), dtype=ddf.dtype, device=ddf.device)
    h = unit[..., None].repeat(1, 1, places.shape[1])  # (d, d, N)
    damping = torch.ones_like(places[0])
    error = v + sample(ddf, (places + v)[None])[0]
    solved = torch.cat([v, _length(error)[None]])
    left = torch.arange(places.shape[1], device=ddf.device)
    for _ in range(iterations):
        todo = solved[-1, left] > tolerance
        left = left[todo]
        if len(left) == 0:
            break
        places, v, error, h, damping = (t[..., todo] for t in (places, v, error, h, damping))
        step = -damping * _multiply(h, error)
        step = step * (longest / _length(step).clamp(min=1e-12)).clamp(max=1)
        trial = v + step
        trial_error = trial + sample(ddf, (places + trial)[None])[0]
        h = _learn(h, step, trial_error - error)
        better = _length(trial_error) < _length(error)
        v, error = torch.where(better, trial, v), torch.where(better, trial_error, error)
        damping = torch.where(better, (2 * damping).clamp(max=1), (damping / 2).clamp(min=LEAST_DAMPING))
        solved[:, left] = torch.cat([v, _length(error)[None]])
    return solved


def _learn(h: Tensor, step: Tensor, change: Tensor) -> Tensor:
    """Broyden's update of the inverse Jacobian: afterwards `h @ change == step`."""
    image = _multiply(h, change)
    row = (step[:, None] * h).sum(dim=0)  # step^T h
    scale = (step * image).sum(dim=0)
    correction = (step - image)[:, None] * (row / scale)[None]
    return torch.where(scale.abs() > 1e-6 * (step * step).sum(dim=0), h + correction, h)


def _multiply(matrices: Tensor, vectors: Tensor) -> Tensor:
    return (matrices * vectors).sum(dim=1)  # (d, d, N), (d, N) -> (d, N)


def _length(vectors: Tensor) -> Tensor:
    return (vectors * vectors).sum(dim=0).sqrt()  # a norm over a leading axis is ten times slower


def _inside(places: Tensor) -> Tensor:
    inside = torch.ones_like(places[:, 0], dtype=torch.bool)
    for c, n in enumerate(places.shape[2:]):
        inside &= (places[:, c] >= 0) & (places[:, c] <= n - 1)
    return inside
