"""Dense displacement of a regular grid of control points by thin-plate splines, which reach everywhere.

SciPy's `RBFInterpolator` gives the same field, without gradients and on the CPU alone.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from .checks import check_ddf, check_spatial_shape
from .precision import full_precision, lift


def thin_plate_spline_displacement(
    control_points: Tensor,
    spacing: Sequence[int],
    spatial_shape: Sequence[int] | None = None,
    offset: Sequence[float] | None = None,
) -> Tensor:
    r"""Interpolate the control points by the smoothest field, one that is affine far away.

    .. math:: u(x) = a + A x + \sum_k w_k U(|x - c_k|), \quad U(r) = r^2 \log r \text{ in 2-D}, \; -r \text{ in 3-D}

    with w and A such that :math:`u(c_k) = P_k`, :math:`\sum_k w_k = 0` and :math:`\sum_k w_k c_k^T = 0`. As u is linear
    in P, it is one product with a matrix of as many rows as voxels and as many columns as control points; the matrices
    of the last two shapes are kept.

    Args:
        control_points: P, `(B, d, *grid)`, voxels of the result, two or more along each axis.
        spacing: voxels between control points along each axis.
        spatial_shape: shape of the result; by default `spacing * grid`.
        offset: the voxel of the first control point; by default `(spacing - 1) / 2`, the middle of its cell.

    Returns:
        Displacement, `(B, d, *spatial)`, voxels, float32 or float64.

    Raises:
        TypeError: if the control points are not a tensor of floating point numbers.
        ValueError: if a shape or the spacing is wrong.

    Reference:
        Bookstein, "Principal warps: thin-plate splines and the decomposition of deformations", PAMI 1989,
        https://doi.org/10.1109/34.24792.
    """
    check_ddf("thin_plate_spline_displacement", control_points, "control_points")
    grid = tuple(int(n) for n in control_points.shape[2:])
    check_spatial_shape("thin_plate_spline_displacement", spacing, len(grid))
    if min(grid) < 2:
        raise ValueError(
            "thin_plate_spline_displacement() expects 'control_points' of two or more along each axis, "
            f"got {tuple(control_points.shape)}."
        )
    if spatial_shape is None:
        spatial_shape = [s * n for s, n in zip(spacing, grid, strict=True)]
    check_spatial_shape("thin_plate_spline_displacement", spatial_shape, len(grid))
    shape = tuple(int(n) for n in spatial_shape)
    offset = tuple((s - 1) / 2 for s in spacing) if offset is None else tuple(offset)
    with full_precision(control_points):
        points = lift(control_points)
        weights = _weights(grid, tuple(spacing), shape, offset, points.dtype, points.device)
        return (points.flatten(2) @ weights.T).unflatten(2, shape)


@lru_cache(maxsize=2)
def _weights(
    grid: tuple[int, ...],
    spacing: tuple[int, ...],
    shape: tuple[int, ...],
    offset: tuple[float, ...],
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """What each control point adds to each voxel, `(voxels, points)`."""
    with torch.inference_mode(False), torch.no_grad():  # an inference tensor would break the next training step
        knots = [torch.arange(n, dtype=torch.float64) for n in grid]
        places = [
            (torch.arange(n, dtype=torch.float64) - o) / s for n, o, s in zip(shape, offset, spacing, strict=True)
        ]
        centers, voxels = torch.cartesian_prod(*knots), torch.cartesian_prod(*places)  # units of the spacing
        unit = min(spacing)
        scale = torch.tensor([s / unit for s in spacing], dtype=torch.float64)
        centers, voxels = centers * scale, voxels * scale
        affine = torch.cat([torch.ones(len(centers), 1, dtype=torch.float64), centers], dim=1)
        corner = torch.zeros(affine.shape[1], affine.shape[1], dtype=torch.float64)
        system = torch.cat([torch.cat([_radial(centers, centers), affine], 1), torch.cat([affine.T, corner], 1)])
        solution = torch.linalg.inv(system)[:, : len(centers)]
        basis = torch.cat([_radial(voxels, centers), torch.ones(len(voxels), 1, dtype=torch.float64), voxels], dim=1)
        return (basis @ solution).to(device, dtype)


def _radial(first: Tensor, second: Tensor) -> Tensor:
    """U of all distances, `(N, M)`."""
    distance = torch.cdist(first, second)
    return torch.special.xlogy(distance**2, distance) if first.shape[1] == 2 else -distance
