"""Nearest neighbors among points.

SciPy's `cKDTree` knows no GPU; among a few thousand points all distances are quicker.
"""

import torch
from torch import Tensor

from .precision import full_precision, lift

PLACES = 2**24  # distances at once, 64 MB


def nearest_points(points: Tensor, others: Tensor, count: int) -> Tensor:
    """Find the nearest of other points.

    Args:
        points: `(N, d)`, any unit.
        others: `(M, d)`, the same unit; may be `points`, each of which then is its own nearest.
        count: how many of them.

    Returns:
        Their numbers, the nearest first, `(N, count)`, int64.

    Raises:
        ValueError: if a shape is wrong or there are fewer others than `count`.

    Example:
        >>> line = torch.tensor([[0.0], [1.0], [3.0]])
        >>> nearest_points(line, line, 2)
        tensor([[0, 1],
                [1, 0],
                [2, 1]])
    """
    if points.ndim != 2 or others.ndim != 2 or points.shape[1] != others.shape[1]:
        raise ValueError(
            "nearest_points() expects 'points' and 'others' of shape (N, d) and (M, d), "
            f"got {tuple(points.shape)} and {tuple(others.shape)}."
        )
    if not 1 <= count <= len(others):
        raise ValueError(
            f"nearest_points() expects 'count' of 1 to the {len(others)} other points, got {count}: "
            "a point cloud needs at least as many points as neighbors are asked for."
        )
    with full_precision(points), torch.no_grad():
        rows = max(PLACES // len(others), 1)
        exact = "donot_use_mm_for_euclid_dist"  # so that a point has distance 0 from itself
        parts = [torch.cdist(part, lift(others), compute_mode=exact) for part in lift(points).split(rows)]
        return torch.cat([part.topk(count, largest=False).indices for part in parts])
