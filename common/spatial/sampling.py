"""Look up an image at voxel coordinates.

MONAI's `Resample` and `Warp` compute coordinates in the type of the field, know no padding that ends where the image
ends, and give integer labels back as floats.
"""

import torch
from torch import Tensor

from ._grid_sample import grid_sample
from .checks import check_choice, check_image
from .grid import to_normalized
from .precision import full_precision, lift

MODES = ("bilinear", "nearest")
PADDINGS = ("border", "zeros", "inside")


def sample(
    image: Tensor, coordinates: Tensor, mode: str = "bilinear", padding: str = "border", fill: float = 0.0
) -> Tensor:
    """Sample an image at voxel coordinates.

    Convention:
        Voxel i is centered at coordinate i. A point is inside the image when `-0.5 <= coordinate <= n - 0.5` along
        every axis, as in ITK. Halves are rounded up (ITK, SciPy).

    Args:
        image: `(B, C, *in)`, 2-D or 3-D. Half precision is computed in float32.
        coordinates: `(B, d, *out)`, voxels of the image; any number of output axes, so `(B, d, N)` are points.
        mode: `"bilinear"` (linear in 2-D and 3-D) or `"nearest"`, which has no gradient for the coordinates.
        padding: outside the image `"border"` continues the nearest voxel and `"zeros"` fades to 0 within one voxel;
            `"inside"` continues the nearest voxel up to the image's edge, half a voxel out, and is `fill` beyond.
        fill: value outside for the padding `"inside"`, in the unit of the image.

    Returns:
        `(B, C, *out)` in the type of the image; linear interpolation makes float32 of integers.

    Raises:
        TypeError: if one of the tensors is not a tensor.
        ValueError: if the shapes do not fit, a word is unknown, or `fill` is given with another padding.

    Example:
        >>> sample(torch.tensor([[[[0.0, 10.0]]]]), torch.tensor([[[0.0], [0.25]]]))
        tensor([[[2.5000]]])
    """
    _check(image, coordinates, mode, padding, fill)
    with full_precision(image):
        coordinates = lift(coordinates)
        if mode == "nearest":
            values = _nearest(image, coordinates)
            # `grid_sample` rounds as well before it asks what lies outside.
            padding = "inside" if padding == "zeros" else padding
        else:
            values = _linear(image, coordinates, "zeros" if padding == "zeros" else "border")
        if padding == "inside":
            values = values.masked_fill(~_inside(coordinates, image), fill)
        return values.to(image.dtype) if image.is_floating_point() else values


def _linear(image: Tensor, coordinates: Tensor, padding: str) -> Tensor:
    dtype = torch.promote_types(lift(image).dtype, coordinates.dtype)
    shape = coordinates.shape[2:]
    dims = image.ndim - 2
    if len(shape) != dims:  # points and the like: `grid_sample` wants as many output axes as the image has
        coordinates = coordinates.flatten(2)[(..., *[None] * (dims - 1))]
    grid = to_normalized(coordinates.to(dtype), image.shape[2:])
    values = grid_sample(image.to(dtype), grid, padding)
    return values if len(shape) == dims else values.reshape(*values.shape[:2], *shape)


def _nearest(image: Tensor, coordinates: Tensor) -> Tensor:
    """Look voxels up by their index: exact for every type, and far quicker than `grid_sample`."""
    index = torch.zeros_like(coordinates[:, 0], dtype=torch.long)
    for c, n in enumerate(image.shape[2:]):
        index.mul_(n).add_((coordinates[:, c].detach() + 0.5).floor_().long().clamp_(0, n - 1))
    flat = index.flatten(1)[:, None].expand(-1, image.shape[1], -1)  # (B, C, N)
    return image.flatten(2).gather(2, flat).reshape(*image.shape[:2], *index.shape[1:])


def _inside(coordinates: Tensor, image: Tensor) -> Tensor:
    inside = torch.ones_like(coordinates[:, 0], dtype=torch.bool)
    for c, n in enumerate(image.shape[2:]):
        inside &= (coordinates[:, c] >= -0.5) & (coordinates[:, c] <= n - 0.5)
    return inside[:, None]  # (B, 1, *out)


def _check(image: Tensor, coordinates: Tensor, mode: str, padding: str, fill: float) -> None:
    check_image("sample", "image", image)
    check_choice("sample", "mode", mode, MODES)
    check_choice("sample", "padding", padding, PADDINGS)
    if not isinstance(coordinates, Tensor):
        raise TypeError(f"sample() expects 'coordinates' to be a tensor, got {type(coordinates).__name__}.")
    expected = (image.shape[0], image.ndim - 2)
    if coordinates.ndim < 3 or (not torch.jit.is_tracing() and coordinates.shape[:2] != expected):
        rule = f"of shape ({expected[0]}, {expected[1]}, *out)"
        raise ValueError(f"sample() expects 'coordinates' {rule}, got {tuple(coordinates.shape)}.")
    if fill and padding != "inside":
        raise ValueError(f"sample() expects 'fill' of 0 unless 'padding' is 'inside', got {fill} with {padding!r}.")
