"""Distance between points that ought to coincide."""

from typing import Any

import torch
from torch import Tensor


def target_registration_error(warped_points: Any, moving_points: Any) -> Tensor:
    """Compute the distance that is left between corresponding points.

    .. math:: e_n = |p_n + u(p_n) - q_n|

    Convention:
        The field is a pull-back: fixed points p, displaced by it, are compared with moving points q.

    Args:
        warped_points: fixed points after the displacement, `(..., N, d)`, world mm; tensor or array. Undisplaced
            fixed points give the error before registration.
        moving_points: corresponding points, the same shape and frame.

    Returns:
        Distance of every pair, `(..., N)`, mm, float64.

    Raises:
        ValueError: if the shapes differ or the points do not have 2 or 3 coordinates.

    Example:
        >>> target_registration_error([[0.0, 0.0, 0.0]], [[2.0, 3.0, 6.0]])
        tensor([7.], dtype=torch.float64)
    """
    warped = torch.as_tensor(warped_points, dtype=torch.float64).as_subclass(Tensor)
    moving = torch.as_tensor(moving_points, dtype=torch.float64).as_subclass(Tensor)
    if warped.shape[-1:] not in ((2,), (3,)):
        raise ValueError(
            f"target_registration_error() expects 'warped_points' of shape (..., N, 2 or 3), got {tuple(warped.shape)}."
        )
    if warped.shape != moving.shape:
        raise ValueError(
            f"target_registration_error() expects 'moving_points' of shape {tuple(warped.shape)}, "
            f"got {tuple(moving.shape)}. Points correspond by their order."
        )
    return torch.linalg.vector_norm(warped - moving, dim=-1)
