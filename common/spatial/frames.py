"""Between voxels and millimeters: the only place that knows RAS from LPS.

Affines are RAS, as in NIfTI, nibabel and MONAI. ITK, and every file this project writes for it, counts in LPS.
MONAI's `monai_to_itk_ddf` handles one orientation only.
"""

from typing import Any

import torch
from torch import Tensor

from .checks import check_ddf
from .precision import full_precision, lift


def ras_to_lps(affine: Any) -> Tensor:
    """Turn the affine of one frame into that of the other, either way round.

    Args:
        affine: `(d + 1, d + 1)`, voxels to mm; tensor, array or nested list.

    Returns:
        `(d + 1, d + 1)`, float64, with the first two world axes reversed.

    Raises:
        ValueError: if it is not of shape (3, 3) or (4, 4).
    """
    matrix = _affine("ras_to_lps", affine).clone()
    matrix[:2] = -matrix[:2]
    return matrix


def voxel_to_world(points: Tensor, affine: Any) -> Tensor:
    """Carry points from voxels to millimeters.

    .. math:: p = A_{:d,:d} x + A_{:d,d}

    Args:
        points: `(..., d)`, voxels. Computed in float64.
        affine: `(d + 1, d + 1)`, voxels to mm.

    Returns:
        `(..., d)`, mm in the frame of the affine given, of the points' type (float64 for integers).

    Raises:
        ValueError: if affine and points do not fit.
    """
    return _apply("voxel_to_world", points, _affine("voxel_to_world", affine))


def world_to_voxel(points: Tensor, affine: Any) -> Tensor:
    """Carry points from millimeters to voxels.

    .. math:: x = A_{:d,:d}^{-1} (p - A_{:d,d})

    Args:
        points: `(..., d)`, mm in the frame of the affine given. Computed in float64.
        affine: `(d + 1, d + 1)`, voxels to mm.

    Returns:
        `(..., d)`, voxels, of the points' type (float64 for integers).

    Raises:
        ValueError: if affine and points do not fit or the affine has no inverse.
    """
    return _apply("world_to_voxel", points, _inverse("world_to_voxel", _affine("world_to_voxel", affine)))


def displacement_to_world(ddf: Tensor, affine_ras: Any) -> Tensor:
    r"""Turn a field of voxels into the LPS millimeters of ITK's displacement fields.

    .. math:: u_{lps} = \mathrm{diag}(-1, -1, 1) A_{:3,:3} u

    Args:
        ddf: displacement, `(B, d, *spatial)`, voxels.
        affine_ras: RAS affine of the grid of the field, `(d + 1, d + 1)`, voxels to mm.

    Returns:
        Displacement, `(B, d, *spatial)`, mm, LPS, float32 or float64; channel c is world axis c.

    Raises:
        TypeError: if the field is not a tensor of floating point numbers.
        ValueError: if affine and field do not fit.
    """
    return _rotate("displacement_to_world", ddf, ras_to_lps(_affine("displacement_to_world", affine_ras, "affine_ras")))


def displacement_from_world(displacement: Tensor, affine_ras: Any) -> Tensor:
    """Undo `displacement_to_world`.

    Args:
        displacement: `(B, d, *spatial)`, mm, LPS.
        affine_ras: RAS affine of the grid of the field, `(d + 1, d + 1)`, voxels to mm.

    Returns:
        Displacement, `(B, d, *spatial)`, voxels, float32 or float64.

    Raises:
        TypeError: if the field is not a tensor of floating point numbers.
        ValueError: if affine and field do not fit or the affine has no inverse.
    """
    matrix = ras_to_lps(_affine("displacement_from_world", affine_ras, "affine_ras"))
    return _rotate("displacement_from_world", displacement, _inverse("displacement_from_world", matrix), "displacement")


def _affine(function: str, affine: Any, argument: str = "affine") -> Tensor:
    matrix = torch.as_tensor(affine, dtype=torch.float64).as_subclass(Tensor)
    if matrix.shape not in ((3, 3), (4, 4)):
        raise ValueError(f"{function}() expects '{argument}' of shape (3, 3) or (4, 4), got {tuple(matrix.shape)}.")
    return matrix


def _inverse(function: str, matrix: Tensor) -> Tensor:
    inverse, failed = torch.linalg.inv_ex(matrix)
    if failed:
        raise ValueError(f"{function}() expects an affine with an inverse, got {matrix.tolist()}.")
    return inverse


def _apply(function: str, points: Tensor, matrix: Tensor) -> Tensor:
    dims = len(matrix) - 1
    if points.shape[-1:] != (dims,):
        raise ValueError(f"{function}() expects 'points' of shape (..., {dims}), got {tuple(points.shape)}.")
    matrix = matrix.to(points.device)
    with full_precision(points):
        moved = points.double() @ matrix[:dims, :dims].T + matrix[:dims, dims]
    return moved.to(points.dtype) if points.is_floating_point() else moved


def _rotate(function: str, field: Tensor, matrix: Tensor, argument: str = "ddf") -> Tensor:
    check_ddf(function, field, argument)
    dims = field.ndim - 2
    if len(matrix) != dims + 1:
        raise ValueError(
            f"{function}() expects 'affine_ras' of shape ({dims + 1}, {dims + 1}), got {tuple(matrix.shape)}."
        )
    with full_precision(field):
        field = lift(field)
        return torch.einsum("ij,bj...->bi...", matrix[:dims, :dims].to(field), field)
