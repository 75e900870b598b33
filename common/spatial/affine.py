"""The displacement of an affine map.

MONAI's `AffineGrid` gives normalized coordinates, as `grid_sample` wants them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .checks import check_spatial_shape
from .grid import identity_grid
from .precision import lift


def affine_displacement(matrix: Tensor, spatial_shape: Sequence[int]) -> Tensor:
    r"""Return the field of an affine map about the middle c of a grid.

    .. math:: u(x) = A (x - c) + t + c - x

    Args:
        matrix: `[A t; 0 1]`, `(B, d + 1, d + 1)`, voxels.
        spatial_shape: shape of the grid.

    Returns:
        Displacement, `(B, d, *spatial)`, voxels, float32 or float64.

    Raises:
        ValueError: if the matrix and the shape do not fit.

    Example:
        >>> affine_displacement(torch.tensor([[[2.0, 0, 0], [0, 1, 5], [0, 0, 1]]]), (3, 1))[0, :, :, 0]
        tensor([[-1.,  0.,  1.],
                [ 5.,  5.,  5.]])
    """
    _check("affine_displacement", matrix, spatial_shape)
    dims = len(spatial_shape)
    matrix = lift(matrix)
    center = torch.tensor([(n - 1) / 2 for n in spatial_shape], dtype=matrix.dtype, device=matrix.device)
    from_center = identity_grid(spatial_shape, matrix.dtype, matrix.device) - center.view(-1, *[1] * dims)
    change = matrix[:, :-1, :-1] - torch.eye(dims, dtype=matrix.dtype, device=matrix.device)
    shift = matrix[:, :-1, -1].reshape(-1, dims, *[1] * dims)
    return torch.einsum("bij,j...->bi...", change, from_center) + shift


def affine_in_voxels(matrix: Tensor, spatial_shape: Sequence[int], shift: float = 0.0) -> Tensor:
    """Turn an affine map in units of half the sides of an image into one in voxels of a grid over it.

    Args:
        matrix: `[A t; 0 1]` about the middle of the image, `(B, d + 1, d + 1)`, half its sides along each axis.
        spatial_shape: shape of the grid.
        shift: from the middle of the grid to that of the image, voxels of the grid: 0 unless its first voxel does not
            lie in the middle of the voxels it stands for.

    Returns:
        `[A t; 0 1]` about the middle of the grid, `(B, d + 1, d + 1)`, voxels, float32 or float64.

    Raises:
        ValueError: if the matrix and the shape do not fit.

    Example:
        >>> affine_in_voxels(torch.tensor([[[1.0, 0.5, 0.1], [0, 1, 0], [0, 0, 1]]]), (20, 10))
        tensor([[[1., 1., 1.],
                 [0., 1., 0.],
                 [0., 0., 1.]]])
    """
    _check("affine_in_voxels", matrix, spatial_shape)
    matrix = lift(matrix)
    dims = len(spatial_shape)
    frame = torch.eye(dims + 1, dtype=matrix.dtype, device=matrix.device)
    frame[:dims, :dims] = torch.diag(matrix.new_tensor([n / 2 for n in spatial_shape]))
    frame[:dims, dims] = shift
    return frame @ matrix @ torch.linalg.inv(frame)


def _check(function: str, matrix: Tensor, spatial_shape: Sequence[int]) -> None:
    dims = len(spatial_shape)
    check_spatial_shape(function, spatial_shape, dims)
    if matrix.ndim != 3 or matrix.shape[1:] != (dims + 1, dims + 1):
        raise ValueError(
            f"{function}() expects 'matrix' of shape (B, {dims + 1}, {dims + 1}), got {tuple(matrix.shape)}."
        )
