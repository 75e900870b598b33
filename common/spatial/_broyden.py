"""The root of a displacement field's equation, at many points at once."""

import torch
from torch import Tensor

from .sampling import sample

LEAST_DAMPING = 0.1


def solve(ddf: Tensor, targets: Tensor, x: Tensor, h: Tensor, iterations: int, tolerance: float) -> Tensor:
    """Solve `x + u(x) = y`.

    Args:
        ddf: displacement u, `(1, d, *spatial)`, voxels.
        targets: y, `(d, N)`, voxels.
        x: where to begin, `(d, N)`.
        h: inverse Jacobian to begin with, `(d, d, N)`.
        iterations: most steps of a point.
        tolerance: residual at which a point is done.

    Returns:
        The best x with its residual appended, `(d + 1, N)`.
    """
    low, high = ddf[0].flatten(1).aminmax(dim=1)
    longest = 1 + (high - low).norm()
    damping = torch.ones_like(targets[0])
    error = x + sample(ddf, x[None])[0] - targets
    solved = torch.cat([x, _length(error)[None]])
    left = torch.arange(targets.shape[1], device=ddf.device)
    for _ in range(iterations):
        todo = solved[-1, left] > tolerance
        left = left[todo]
        if len(left) == 0:
            break
        targets, x, error, h, damping = (t[..., todo] for t in (targets, x, error, h, damping))
        step = -damping * _multiply(h, error)
        step = step * (longest / _length(step).clamp(min=1e-12)).clamp(max=1)
        trial = x + step
        trial_error = trial + sample(ddf, trial[None])[0] - targets
        h = _learn(h, step, trial_error - error)
        better = _length(trial_error) < _length(error)
        x, error = torch.where(better, trial, x), torch.where(better, trial_error, error)
        damping = torch.where(better, (2 * damping).clamp(max=1), (damping / 2).clamp(min=LEAST_DAMPING))
        solved[:, left] = torch.cat([x, _length(error)[None]])
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
