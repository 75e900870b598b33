"""Two scans with known correspondence out of one.

MONAI deforms an image, and does not say by which field.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .checks import check_image, check_same_space
from .grid import identity_grid
from .precision import lift
from .sampling import sample
from .spline_field import SplineField, compose_splines


class DeformedPair(NamedTuple):
    """Two deformed scans, on one grid.

    Attributes:
        fixed_image: `(B, C, *spatial)`.
        moving_image: the same shape.
        ddf: displacement from the fixed to the moving one, `(B, d, *spatial)`, voxels; exact, nothing of it is
            interpolated.
        mask: where the moving scan counts, `(B, 1, *spatial)` in [0, 1]: 0 beyond the original's field of view.
    """

    fixed_image: Tensor
    moving_image: Tensor
    ddf: Tensor
    mask: Tensor


def deformed_pair(
    image: Tensor,
    augmentation: Sequence[SplineField],
    motion: Sequence[SplineField],
    spatial_shape: Sequence[int],
    mask: Tensor | None = None,
    fill: float = 0.0,
) -> DeformedPair:
    r"""Deform scans twice, each time by one linear interpolation of the original.

    .. math:: m(x) = I(T_1(x)), \quad f(x) = I(T_1(T_2(x))), \quad u(x) = T_2(x) - x

    As in the paper nothing is smoothed before: of a much finer original take blocks first, see `average_voxels`.

    Args:
        image: I, `(B, C, *in)`.
        augmentation: what T1 is composed of, see `compose_splines`; voxels of the new grid. With nothing it is the
            identity.
        motion: what T2 is composed of.
        spatial_shape: of the new grid, over the same field of view, edge to edge.
        mask: where the scan counts, `(B, 1, *in)`; by default everywhere.
        fill: what lies beyond the field of view, in the unit of the image; air.

    Returns:
        The pair. Its mask is `mask(T1(x))`, as in equation (4).

    Raises:
        TypeError: if the image or the mask is not a tensor.
        ValueError: if shapes do not fit.

    Reference:
        Eppenhof et al., "Progressively trained convolutional neural networks for deformable image registration", TMI
        2020, https://doi.org/10.1109/TMI.2019.2953788 -- section III.
    """
    check_image("deformed_pair", "image", image, len(spatial_shape))
    mask = torch.ones_like(image[:, :1]) if mask is None else mask
    check_same_space("deformed_pair", "mask", mask, image, 1)
    augmented, moved = (_compose(fields, spatial_shape, image) for fields in (augmentation, motion))
    both = moved
    for field in augmentation:
        both = both + field.at(both)
    scan = lift(image) - fill  # so that the padding with zeros fades to `fill`
    stacked = torch.cat([scan, lift(mask)], dim=1)
    moving = sample(stacked, _voxels(augmented, spatial_shape, image.shape[2:]), padding="zeros")
    fixed = sample(scan, _voxels(both, spatial_shape, image.shape[2:]), padding="zeros")
    ddf = moved - identity_grid(spatial_shape, moved.dtype, moved.device)
    return DeformedPair(fixed + fill, moving[:, :-1] + fill, ddf, moving[:, -1:])


def _compose(fields: Sequence[SplineField], spatial_shape: Sequence[int], image: Tensor) -> Tensor:
    """Where the voxels of a grid are moved, also by nothing."""
    if fields:
        return compose_splines(fields, spatial_shape)
    return identity_grid(spatial_shape, device=image.device).expand(len(image), *[-1] * (image.ndim - 1))


def _voxels(coordinates: Tensor, spatial_shape: Sequence[int], original: Sequence[int]) -> Tensor:
    """From voxels of one grid to those of another over the same field of view."""
    if tuple(spatial_shape) == tuple(original):
        return coordinates
    factors = [n / size for n, size in zip(original, spatial_shape, strict=True)]
    scale = torch.tensor(factors, dtype=coordinates.dtype, device=coordinates.device)
    return (coordinates + 0.5) * scale.view(-1, *[1] * len(factors)) - 0.5
