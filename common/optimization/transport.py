"""What becomes of the displacement of a pair when its two images are moved by affine maps, each by its own.

MONAI's random affine transforms know images and points; a field depends on the maps of both images.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy.linalg import expm, logm
from torch import Tensor

from common.spatial import affine_displacement, affine_in_voxels, identity_grid, sample, warp
from common.spatial.checks import check_ddf
from common.spatial.precision import full_precision, lift

from .scheme import EXACT, Scheme


def transport_displacement(
    ddf: Tensor,
    fixed_map: Tensor,
    moving_map: Tensor,
    stride: int = 2,
    centered: bool = True,
    scheme: Scheme = EXACT,
) -> Tensor:
    r"""Give the displacement between two images that look where affine maps A and B send them.

    With :math:`F'(x) = F(A x)` and :math:`M'(x) = M(B x)`, what corresponded by u corresponds by

    .. math:: u'(x) = B^{-1} (A x + u(A x)) - x

    The released code has :math:`u(C x) + C x - x` with :math:`C = exp(log A - log B)`, of a field that it brings to
    half its grid and back; it is behind `scheme.commuting`, and alters the field where A and B are the identity, too.

    Args:
        ddf: displacement u, `(B, d, *coarse)`, voxels of its grid, which may be coarser than the images.
        fixed_map: A, `[A t; 0 1]` about the middle of the images, `(B, d + 1, d + 1)`, half their sides.
        moving_map: B, likewise.
        stride: side of a voxel of the field, voxels of the images.
        centered: where the voxels of the field lie, see `resample_lattice`.
        scheme: whether to do as the released code does.

    Returns:
        Displacement u', `(B, d, *coarse)`, voxels of its grid, float32 or float64.

    Raises:
        TypeError: if the field is not a tensor of floating point numbers.
        ValueError: if the shapes do not fit.

    Reference:
        Bigalke et al., MICCAI 2023, https://doi.org/10.1007/978-3-031-43999-5_64 -- section 2.3 and released code.
    """
    check_ddf("transport_displacement", ddf)
    with full_precision(ddf):
        ddf = lift(ddf)
        if scheme.commuting:
            return _released(ddf, fixed_map, moving_map, stride)
        shift = 0.0 if centered else (1 - 1 / stride) / 2
        shape = ddf.shape[2:]
        fixed_map, moving_map = (affine_in_voxels(each, shape, shift) for each in (fixed_map, moving_map))
        way = affine_displacement(fixed_map, shape)
        there = way + warp(ddf, way)  # from x to where its partner was
        inverse = torch.linalg.inv(moving_map)
        linear = inverse[:, :-1, :-1]
        return affine_displacement(inverse, shape) + torch.einsum("bij,bj...->bi...", linear, there)


def _released(ddf: Tensor, fixed_map: Tensor, moving_map: Tensor, stride: int) -> Tensor:
    """By way of the grid of the images and normalized vectors."""
    mode = {2: "bilinear", 3: "trilinear"}[ddf.shape[1]]
    coarse = ddf.shape[2:]
    shape = [n * stride for n in coarse]
    extents = _column(ddf, [(n - 1) / 2 for n in coarse])
    halved = F.interpolate(ddf / extents, scale_factor=0.5, mode=mode)
    fine = F.interpolate(halved, size=shape, mode=mode)
    way = affine_displacement(affine_in_voxels(_quotient(fixed_map, moving_map).to(ddf), shape), shape)
    places = way + identity_grid(shape, ddf.dtype, ddf.device)
    moved = sample(fine, places, padding="zeros") + way / _column(ddf, [n / 2 for n in shape])
    return F.interpolate(moved, size=coarse, mode=mode) * extents


def _quotient(fixed_map: Tensor, moving_map: Tensor) -> Tensor:
    pairs = zip(fixed_map.cpu().double().numpy(), moving_map.cpu().double().numpy(), strict=True)
    return torch.from_numpy(np.stack([expm(np.real(logm(a) - logm(b))) for a, b in pairs]))


def _column(ddf: Tensor, numbers: Sequence[float]) -> Tensor:
    return ddf.new_tensor(numbers).view(-1, *[1] * len(numbers))
