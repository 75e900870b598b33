"""From the grid of the features to that of the images, smoothly, and back.

MONAI's `Resize` knows the size of a grid alone; where a voxel of a feature map lies in the image depends on how the
features came about.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from common.spatial.checks import check_ddf, check_image, check_spatial_shape
from common.spatial.precision import full_precision, lift

from .scheme import EXACT, Scheme


def upsample_displacement(
    ddf: Tensor,
    spatial_shape: Sequence[int],
    stride: float,
    centered: bool = True,
    repeats: int = 2,
    scheme: Scheme = EXACT,
) -> Tensor:
    """Bring a displacement field of a feature map to the grid of the image.

    Twice, the grid is doubled and the field smoothed; then it is resampled to the rest. The vectors grow by `stride`.

    Args:
        ddf: displacement, `(B, d, *spatial)`, voxels of the feature map.
        spatial_shape: of the image.
        stride: side of a voxel of the feature map, voxels of the image.
        centered: where the voxels of the feature map lie, see `resample_lattice`.
        repeats: of the mean filter after each doubling.
        scheme: how a displacement grows, and how to smooth.

    Returns:
        Displacement, `(B, d, *spatial_shape)`, voxels of the image, float32 or float64.

    Raises:
        TypeError: if the field is not a tensor of floating point numbers.
        ValueError: if a shape is wrong or the stride less than 1.

    Reference:
        Bigalke et al., MICCAI 2023, https://doi.org/10.1007/978-3-031-43999-5_64 -- released code.
    """
    check_ddf("upsample_displacement", ddf)
    check_spatial_shape("upsample_displacement", spatial_shape, ddf.ndim - 2)
    if stride < 1:
        raise ValueError(f"upsample_displacement() expects 'stride' of 1 or more, got {stride}.")
    factors = scheme.growth(ddf.shape[2:], spatial_shape, stride)
    with full_precision(ddf):
        field = lift(ddf)
        field = field * field.new_tensor(factors).view(-1, *[1] * len(factors))
        for _ in range(2):
            if stride >= 2:
                doubled = resample_lattice(field, [2 * n for n in field.shape[2:]], 2, centered)
                field = scheme.smooth(doubled, repeats)
                stride /= 2
        return resample_lattice(field, spatial_shape, stride, centered)


def coarsen_displacement(ddf: Tensor, stride: int, centered: bool = True, scheme: Scheme = EXACT) -> Tensor:
    """Bring a displacement field of an image to a coarser grid; the vectors shrink by `stride`.

    Args:
        ddf: displacement, `(B, d, *spatial)`, voxels of the image; a whole number of steps along each axis.
        stride: side of a voxel of the coarser grid, voxels of the image.
        centered: where the voxels of the coarser grid lie, see `resample_lattice`.
        scheme: how a displacement shrinks.

    Returns:
        Displacement, `(B, d, *spatial / stride)`, voxels of the coarser grid, float32 or float64.

    Raises:
        TypeError: if the field is not a tensor of floating point numbers.
        ValueError: if its shape is wrong.
    """
    check_ddf("coarsen_displacement", ddf)
    if any(size % stride for size in ddf.shape[2:]):
        raise ValueError(
            f"coarsen_displacement() expects 'ddf' of sizes that {stride} divides, got {tuple(ddf.shape[2:])}."
        )
    shape = [size // stride for size in ddf.shape[2:]]
    factors = lift(ddf).new_tensor(scheme.growth(ddf.shape[2:], shape, 1 / stride)).view(-1, *[1] * len(shape))
    return resample_lattice(lift(ddf) * factors, shape, 1 / stride, centered)


def resample_lattice(image: Tensor, spatial_shape: Sequence[int], ratio: float, centered: bool = True) -> Tensor:
    """Resample to a grid that is finer by a ratio, or coarser by one below 1; linear, the border continued.

    Convention:
        `centered`: a voxel lies in the middle of those it stands for, as after pooling; the new voxel x is at
        `(x + 1/2) / ratio - 1/2`. Otherwise it lies on the first of them, as after a strided convolution: `x / ratio`.

    Args:
        image: `(B, C, *spatial)`, 2-D or 3-D; values stay in their unit.
        spatial_shape: of the result.
        ratio: voxels of the new grid for one of the old.
        centered: see above.

    Returns:
        `(B, C, *spatial_shape)`, float32 or float64.

    Raises:
        TypeError: if the image is not a tensor.
        ValueError: if a shape is wrong.

    Example:
        >>> image = torch.tensor([[[[0.0, 1.0]]]])
        >>> resample_lattice(image, (1, 4), 2)
        tensor([[[[0.0000, 0.2500, 0.7500, 1.0000]]]])
        >>> resample_lattice(image, (1, 4), 2, centered=False)
        tensor([[[[0.0000, 0.5000, 1.0000, 1.0000]]]])
    """
    check_image("resample_lattice", "image", image)
    check_spatial_shape("resample_lattice", spatial_shape, image.ndim - 2)
    with full_precision(image):
        image = lift(image)
        if [n * ratio for n in image.shape[2:]] == list(spatial_shape) and (centered or ratio == 1):
            mode = {2: "bilinear", 3: "trilinear"}[image.ndim - 2]  # the same at a tenth of the price
            return image if ratio == 1 else F.interpolate(image, size=tuple(spatial_shape), mode=mode)
        center = 0.5 if centered else 0.0
        axes = [torch.arange(n, dtype=image.dtype, device=image.device) for n in spatial_shape]
        return sample_axes(image, [(axis + center) / ratio - center for axis in axes])


def sample_axes(image: Tensor, axes: Sequence[Tensor]) -> Tensor:
    """Look an image up at all places that combine a coordinate of each axis; linear, the border continued.

    Args:
        image: `(B, C, *spatial)`, float32 or float64.
        axes: of each axis the coordinates `(n,)`, voxels.

    Returns:
        `(B, C, *n)`.
    """
    for places in axes:  # the axis in front moves to the back each time
        voxels = torch.arange(image.shape[2], dtype=image.dtype, device=image.device)
        weights = (1 - (places.clamp(0, image.shape[2] - 1)[:, None] - voxels).abs()).clamp_min(0)  # (n, voxels)
        image = torch.tensordot(image, weights, dims=([2], [1]))
    return image


def knots_of(field: Tensor, spacing: int) -> Tensor:
    """Take of a field every few voxels along each axis, and one place beyond the last, where it goes on linearly.

    Args:
        field: `(B, d, *spatial)`.
        spacing: voxels from one knot to the next.

    Returns:
        `(B, d, *knots)`; `sample_axes` at coordinates divided by `spacing` leads back, exactly where it is linear.
    """
    for axis in range(2, field.ndim):
        size = field.shape[axis]
        beyond = -(size - 1) % spacing  # voxels from the border to the last knot
        knots = field[(slice(None),) * axis + (slice(None, None, spacing),)]
        if beyond and size > 1:
            ends = field.narrow(axis, size - 2, 1), field.narrow(axis, size - 1, 1)
            knots = torch.cat([knots, torch.lerp(*ends, 1.0 + beyond)], dim=axis)
        field = knots
    return field.contiguous()
