"""The two habits of the released code of paper 003 that move values, each beside what we do instead.

The released code scales displacements by `(n - 1) / 2` but samples with `align_corners=False`, which stretches each of
them by `n / (n - 1)`, and surrounds everything with zeros. Parity with its results needs both.
"""

import torch
from torch import Tensor

from common.spatial import identity_grid, mean_filter, sample
from common.spatial.checks import check_ddf, check_image, check_same_space
from common.spatial.precision import full_precision, lift

SLAB = 1 << 22  # numbers


def pull_back(image: Tensor, ddf: Tensor, mode: str = "bilinear", released: bool = False) -> Tensor:
    """Look an image or a field up at displaced places.

    .. math:: w(x) = m(x + u(x))

    Args:
        image: `(B, C, *spatial)`, 2-D or 3-D.
        ddf: displacement u, `(B, d, *spatial)`, voxels.
        mode: `"bilinear"` or `"nearest"`.
        released: go to the places of the released code and find zeros outside the image, as it does; else the border
            voxels continue.

    Returns:
        `(B, C, *spatial)`, of the type of the image.

    Raises:
        TypeError: if an argument is not a tensor, or the field not of floating point numbers.
        ValueError: if the shapes do not fit or the mode is unknown.
    """
    check_image("pull_back", "image", image)
    check_ddf("pull_back", ddf)
    check_same_space("pull_back", "ddf", ddf, image, image.ndim - 2)
    return sample(image, displaced_places(ddf, released), mode, padding="zeros" if released else "border")


def displaced_places(ddf: Tensor, released: bool = False) -> Tensor:
    """Where every voxel looks.

    Args:
        ddf: displacement u, `(B, d, *spatial)`, voxels.
        released: the places of the released code, `x + u(x) n / (n - 1)`, rounded as it rounds: gradient descent is
            so sensitive to the side of a voxel a place falls on that equal formulas do not give equal fields.

    Returns:
        `(B, d, *spatial)`, voxels, float32 or float64.
    """
    with full_precision(ddf):
        ddf = lift(ddf)
        if not released:
            return ddf + identity_grid(ddf.shape[2:], ddf.dtype, ddf.device)
        return torch.stack([_released_places(u, axis) for axis, u in enumerate(ddf.unbind(1))], dim=1)


def smooth(field: Tensor, repeats: int, released: bool = False) -> Tensor:
    """Average a field over boxes of three voxels a side, again and again.

    Args:
        field: `(B, C, *spatial)`, 2-D or 3-D, any unit.
        repeats: how often.
        released: let the zeros around the grid in, as the released code does, which shrinks the values at the border;
            else the average is over the voxels of the grid alone, so a constant stays one.

    Returns:
        Smoothed field, `(B, C, *spatial)`, in the unit of `field`.

    Raises:
        TypeError: if the field is not a tensor of floating point numbers.
        ValueError: if its shape is wrong or `repeats` is negative.
    """
    check_image("smooth", "field", field)
    size = field.shape[2]
    step = max(1, SLAB * size // field.numel())
    if step >= size:
        return _smooth(field, repeats, released)
    slabs = []  # of a large field, twice as fast as in one piece
    for start in range(0, size, step):
        first = max(start - repeats, 0)
        slab = _smooth(field[:, :, first : start + step + repeats], repeats, released)
        slabs.append(slab[:, :, start - first : start - first + step])
    return torch.cat(slabs, dim=2)


def _smooth(field: Tensor, repeats: int, released: bool) -> Tensor:
    if released or repeats == 0:
        return mean_filter(field, repeats)
    share = mean_filter(torch.ones_like(field[:1, :1]))
    for _ in range(repeats):
        field = mean_filter(field) / share
    return field


def _released_places(displacement: Tensor, axis: int) -> Tensor:
    """Places along one axis, `(B, *spatial)`, by way of the normalized coordinates of `affine_grid`."""
    size = displacement.shape[axis + 1]
    centers = torch.linspace(-1, 1, size, dtype=displacement.dtype, device=displacement.device) * (size - 1) / size
    centers = centers.view(-1, *[1] * (displacement.ndim - axis - 2))
    normalized = centers + displacement / ((size - 1) / 2)
    return ((normalized + 1) * size - 1) / 2
