"""Bring a field to another grid over the same field of view, corner voxels on corner voxels.

MONAI's `Resize` aligns edges instead of corners and leaves the vectors of a field unscaled.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import check_ddf, check_spatial_shape
from .precision import full_precision, lift


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
        mode = {2: "bilinear", 3: "trilinear"}[len(factors)]
        resized = F.interpolate(ddf, size=tuple(spatial_shape), mode=mode, align_corners=True)
        return resized * scale.view(-1, *[1] * len(factors))


def _factor(old: int, new: int) -> float:
    if old == 1 and new > 1:
        raise ValueError(f"resize_ddf() expects 'ddf' with 2 or more voxels along an axis that grows to {new}, got 1.")
    return (new - 1) / max(old - 1, 1) if new > 1 or old > 1 else 1.0
