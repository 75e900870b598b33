"""Bring images and fields to another grid over the same field of view, corner voxels on corner voxels.

MONAI's `Resize` aligns edges instead of corners and leaves the vectors of a field unscaled.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_choice, check_ddf, check_image, check_spatial_shape
from .grid import identity_grid
from .precision import full_precision, lift
from .sample import MODES, sample


def resize_ddf(ddf: Tensor, spatial_shape: Sequence[int]) -> Tensor:
    """Resample a displacement field and rescale its vectors to the voxels of the new grid.

    Args:
        ddf: displacement, `(B, d, *in)`, voxels of its grid.
        spatial_shape: shape of the new grid; its first and last voxels lie where those of the old one do.

    Returns:
        Displacement, `(B, d, *spatial_shape)`, voxels of the new grid: values times `(n_out - 1) / (n_in - 1)` along
        each axis. Float32 or float64.

    Raises:
        TypeError: if the field is not a tensor of floating point numbers.
        ValueError: if a shape is wrong, or an axis of one voxel, which has no length, is to have more.

    Example:
        >>> resize_ddf(torch.ones(1, 2, 3, 3), (5, 9))[0, :, 0, 0]
        tensor([2., 4.])
    """
    check_ddf("resize_ddf", ddf)
    check_spatial_shape("resize_ddf", spatial_shape, ddf.ndim - 2)
    factors = [_factor(old, new) for old, new in zip(ddf.shape[2:], spatial_shape, strict=True)]
    with full_precision(ddf):
        ddf = lift(ddf)
        scale = torch.tensor(factors, dtype=ddf.dtype, device=ddf.device)
        return _interpolate(ddf, spatial_shape) * scale.view(-1, *[1] * len(factors))


def resize_image(image: Tensor, spatial_shape: Sequence[int], mode: str = "bilinear") -> Tensor:
    """Resample an image to another number of voxels, on the same places as `resize_ddf`.

    Nothing is smoothed before an image is made smaller.

    Args:
        image: `(B, C, *in)`, 2-D or 3-D.
        spatial_shape: shape of the new grid.
        mode: `"bilinear"` (linear in 2-D and 3-D), or `"nearest"` for labels, which keeps every type.

    Returns:
        `(B, C, *spatial_shape)` in the type of the image; linear interpolation makes float32 of integers.

    Raises:
        TypeError: if the image is not a tensor.
        ValueError: if a shape is wrong or the mode unknown.
    """
    check_image("resize_image", "image", image)
    check_spatial_shape("resize_image", spatial_shape, image.ndim - 2)
    check_choice("resize_image", "mode", mode, MODES)
    if mode == "nearest":
        return sample(image, _places(image, spatial_shape), mode)
    with full_precision(image):
        resized = _interpolate(lift(image), spatial_shape)
        return resized.to(image.dtype) if image.is_floating_point() else resized


def _factor(old: int, new: int) -> float:
    if old == 1 and new > 1:
        raise ValueError(f"resize_ddf() expects 'ddf' with 2 or more voxels along an axis that grows to {new}, got 1.")
    return (new - 1) / max(old - 1, 1) if new > 1 or old > 1 else 1.0


def _interpolate(tensor: Tensor, spatial_shape: Sequence[int]) -> Tensor:
    mode = {2: "bilinear", 3: "trilinear"}[tensor.ndim - 2]
    return F.interpolate(tensor, size=tuple(spatial_shape), mode=mode, align_corners=True)


def _places(image: Tensor, spatial_shape: Sequence[int]) -> Tensor:
    """Voxel coordinates in the old grid of the voxels of the new one, `(B, d, *spatial_shape)`."""
    # float64: the middle of two voxels is to be a tie at every size.
    steps = [(old - 1) / max(new - 1, 1) for old, new in zip(image.shape[2:], spatial_shape, strict=True)]
    scale = torch.tensor(steps, dtype=torch.float64, device=image.device).view(-1, *[1] * len(steps))
    places = identity_grid(tuple(spatial_shape), torch.float64, image.device) * scale
    return places.expand(len(image), *places.shape)
