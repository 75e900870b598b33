"""Dense displacement of a grid of B-spline control points.

MONAI has no B-spline field. A transposed convolution with the sampled kernel gives the same numbers; the banded matrix
of each axis gives them at any offset and size, and a matrix product is what every device does fastest.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .checks import check_choice, check_ddf, check_spatial_shape
from .precision import full_precision, lift

ORDERS = (2, 3)


def bspline_displacement(
    control_points: Tensor,
    spacing: Sequence[int],
    spatial_shape: Sequence[int] | None = None,
    order: int = 3,
    offset: Sequence[float] | None = None,
) -> Tensor:
    r"""Evaluate a tensor-product B-spline at every voxel.

    .. math:: u(x) = \sum_k P_k \prod_a \beta^n\left(\frac{x_a - o_a}{s_a} - k_a\right)

    Points outside the grid of control points count as zero, so that the field fades over the outermost cells; away from
    them the weights sum to one.

    Args:
        control_points: P, `(B, d, *grid)`, voxels of the result.
        spacing: s, voxels between control points along each axis.
        spatial_shape: shape of the result; by default `spacing * grid`.
        order: n, 2 (quadratic) or 3 (cubic).
        offset: o, the voxel of the first control point; by default `(s - 1) / 2`, the middle of its cell.

    Returns:
        Displacement, `(B, d, *spatial)`, voxels, float32 or float64.

    Raises:
        TypeError: if the control points are not a tensor of floating point numbers.
        ValueError: if a shape, the spacing or the order is wrong.

    Reference:
        de Vos et al., "End-to-end unsupervised deformable image registration with a convolutional neural network",
        DLMIA 2017, https://doi.org/10.1007/978-3-319-67558-9_24 -- section 2; the transposed convolution is that of
        the authors' later TorchIR, whose offset is `s / 2 - 1`.

    Example:
        >>> bspline_displacement(torch.ones(1, 2, 4, 5), (4, 2))[0, :, 8, 5]
        tensor([1., 1.])
    """
    check_ddf("bspline_displacement", control_points, "control_points")
    check_choice("bspline_displacement", "order", str(order), [str(n) for n in ORDERS])
    grid = control_points.shape[2:]
    check_spatial_shape("bspline_displacement", spacing, len(grid))
    if spatial_shape is None:
        spatial_shape = [s * n for s, n in zip(spacing, grid, strict=True)]
    check_spatial_shape("bspline_displacement", spatial_shape, len(grid))
    offset = [(s - 1) / 2 for s in spacing] if offset is None else offset
    with full_precision(control_points):
        field = lift(control_points)
        for axis, (size, count, s, o) in enumerate(zip(spatial_shape, grid, spacing, offset, strict=True), 2):
            places = torch.arange(size, dtype=field.dtype, device=field.device)[:, None]
            knots = torch.arange(count, dtype=field.dtype, device=field.device)
            weights = bspline((places - o) / s - knots, order)  # (size, count)
            field = torch.tensordot(field, weights, dims=([axis], [1])).movedim(-1, axis)
        return field.contiguous()


def bspline(t: Tensor, order: int = 3) -> Tensor:
    r"""Evaluate the centered cardinal B-spline of order 2 or 3, whose support is `order + 1` wide.

    .. math:: \beta^n(t) = \sum_{j=0}^{n+1} \frac{(-1)^j}{n!} \binom{n+1}{j} \left(t + \tfrac{n+1}{2} - j\right)_+^n

    Args:
        t: any shape, in units of the spacing.
        order: n.

    Returns:
        The same shape; at most 3/4 (order 2) or 2/3 (order 3).

    Reference:
        Unser, "Splines: a perfect fit for signal and image processing", IEEE Signal Processing Magazine 1999,
        https://doi.org/10.1109/79.799930 -- box 1.
    """
    t = t.abs()
    if order == 2:
        return torch.where(t < 0.5, 0.75 - t**2, (1.5 - t).clamp(min=0) ** 2 / 2)
    return torch.where(t < 1, 2 / 3 - t**2 + t**3 / 2, (2 - t).clamp(min=0) ** 3 / 6)
