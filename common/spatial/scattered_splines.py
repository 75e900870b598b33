"""Thin-plate splines through displacements of scattered points, and from them a dense field.

SciPy's `RBFInterpolator` gives the same numbers, without gradients and on the CPU alone; `thin_plate_spline` is for
control points on a grid.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_spatial_shape
from .precision import full_precision, lift

PLACES = 2**22  # distances at once, 16 MB


def scattered_spline(points: Tensor, values: Tensor, places: Tensor, smoothing: float = 0.1) -> Tensor:
    r"""Evaluate the smoothest function near the values of some points, one that is affine far away.

    .. math:: f(x) = a + A x + \sum_k w_k r_k^2 \log r_k, \quad r_k = |x - p_k|, \quad f(p_k) + \lambda w_k = v_k

    with :math:`\sum_k w_k = 0` and :math:`\sum_k w_k p_k^T = 0`.

    Args:
        points: p, `(N, d)`, four or more that lie in no plane (three in no line in 2-D).
        values: v, `(N, C)`.
        places: x, `(M, d)`, the unit of the points.
        smoothing: lambda, in that unit squared; 0 passes through the values.

    Returns:
        `(M, C)`, float32 or float64.

    Raises:
        ValueError: if a shape is wrong, `smoothing` is negative, or the points lie in a plane.

    Reference:
        Wahba, "Spline models for observational data", SIAM 1990; Hansen, Heinrich, IPMI 2021,
        https://doi.org/10.1007/978-3-030-78191-0_2 -- section 2.2.
    """
    _check(points, values, places, smoothing)
    with full_precision(values):
        exact = points.double()
        affine = torch.cat([torch.ones_like(exact[:, :1]), exact], 1)
        kernel = _kernel(exact, exact) + smoothing * torch.eye(len(exact), dtype=exact.dtype, device=exact.device)
        corner = affine.new_zeros(affine.shape[1], affine.shape[1])
        system = torch.cat([torch.cat([kernel, affine], 1), torch.cat([affine.T, corner], 1)])
        known = torch.cat([values.double(), values.new_zeros(len(corner), values.shape[1]).double()])
        try:
            solved = torch.linalg.solve(system, known)
        except torch.linalg.LinAlgError as error:
            raise ValueError("scattered_spline() expects 'points' that lie in no plane, and apart.") from error
        weights = solved.to(lift(values).dtype)
        centers, around = points.to(weights), places.to(weights)
        rows = max(PLACES // len(points), 1)
        bent = torch.cat([_kernel(part, centers) @ weights[: len(points)] for part in around.split(rows)])
        return bent + weights[len(points)] + around @ weights[len(points) + 1 :]


def scattered_spline_displacement(
    points: Tensor, displacements: Tensor, spatial_shape: Sequence[int], smoothing: float = 0.1, step: int = 4
) -> Tensor:
    """Make a dense field of the displacements of some points.

    The spline is evaluated at every `step`-th voxel and between them linearly, in units of half the sides of the grid.

    Args:
        points: `(N, d)`, voxels.
        displacements: of the points, `(N, d)`, voxels.
        spatial_shape: of the field.
        smoothing: see `scattered_spline`, in half the sides squared.
        step: voxels from one evaluation to the next; the first and the last voxel are among them.

    Returns:
        `(1, d, *spatial)`, voxels.

    Raises:
        ValueError: if a shape or the step is wrong, or the points lie in a plane.
    """
    check_spatial_shape("scattered_spline_displacement", spatial_shape, points.shape[-1])
    if step < 1:
        raise ValueError(f"scattered_spline_displacement() expects 'step' of 1 or more, got {step}.")
    half = [max(n - 1, 1) / 2 for n in spatial_shape]
    knots = [max(n // step, 2) for n in spatial_shape]
    axes = [torch.linspace(-1, 1, n, dtype=points.dtype, device=points.device) for n in knots]
    scale = points.new_tensor(half)
    coarse = scattered_spline(points / scale - 1, displacements, torch.cartesian_prod(*axes), smoothing)
    mode = "trilinear" if len(knots) == 3 else "bilinear"
    return F.interpolate(coarse.T.unflatten(1, knots)[None], tuple(spatial_shape), mode=mode, align_corners=True)


def _kernel(places: Tensor, points: Tensor) -> Tensor:
    """All values of r^2 log r, `(M, N)`."""
    square = torch.cdist(places, points, compute_mode="donot_use_mm_for_euclid_dist").square()
    return 0.5 * torch.special.xlogy(square, square)


def _check(points: Tensor, values: Tensor, places: Tensor, smoothing: float) -> None:
    if points.ndim != 2 or places.ndim != 2 or points.shape[1] != places.shape[1] or points.shape[1] not in (2, 3):
        raise ValueError(
            "scattered_spline() expects 'points' and 'places' of shape (N, d) and (M, d), d of 2 or 3, "
            f"got {tuple(points.shape)} and {tuple(places.shape)}."
        )
    if values.ndim != 2 or len(values) != len(points):
        raise ValueError(f"scattered_spline() expects 'values' of shape ({len(points)}, C), got {tuple(values.shape)}.")
    if len(points) <= points.shape[1]:
        raise ValueError(
            f"scattered_spline() expects {points.shape[1] + 1} or more 'points', got {len(points)}: "
            "fewer do not determine an affine map."
        )
    if smoothing < 0:
        raise ValueError(f"scattered_spline() expects 'smoothing' of 0 or more, got {smoothing}.")
