"""MIND-SSC: what an image patch looks like relative to its surroundings, whatever the gray values mean.

MONAI has no self-similarity descriptor.
"""

from collections.abc import Iterator
from math import exp

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.spatial.checks import check_count, check_image
from common.spatial.precision import full_precision, lift

SLAB = 16  # slices
ROUNDING = 16  # units in the last place of the largest gray value: what differs by less is flat

# The neighbors that are compared, one pair a channel: unit steps at a right angle, in the order of the authors' code.
PAIRS_2D = (((0, -1), (-1, 0)), ((0, 1), (-1, 0)), ((1, 0), (0, -1)), ((1, 0), (0, 1)))
PAIRS_3D = (
    ((1, 0, 0), (0, -1, 0)),
    ((0, 1, 0), (-1, 0, 0)),
    ((0, -1, 0), (-1, 0, 0)),
    ((0, 1, 0), (1, 0, 0)),
    ((0, -1, 0), (0, 0, -1)),
    ((0, 1, 0), (0, 0, 1)),
    ((0, 0, -1), (-1, 0, 0)),
    ((1, 0, 0), (0, 0, 1)),
    ((0, 1, 0), (0, 0, -1)),
    ((0, 0, 1), (0, -1, 0)),
    ((1, 0, 0), (0, 0, -1)),
    ((0, 0, 1), (-1, 0, 0)),
)


def mind_ssc(image: Tensor, radius: int = 1, dilation: int = 2, sigma: float | None = None) -> Tensor:
    """Describe each voxel by the differences between the patches around it.

    The neighbors a, b of a voxel at `dilation` steps along the axes are compared with one another, not with the
    voxel itself, which makes the descriptor robust against noise in the center:

    .. math:: f_{ab}(x) = exp(-(D_{ab}(x) - min D(x)) / mean(D(x) - min D(x)))

    with D the mean squared difference of the patches around x + a and x + b, for all pairs at a right angle.

    Args:
        image: `(B, 1, *spatial)`, 2-D or 3-D, any unit: gain and offset of the gray values do not matter.
        radius: of the patches, voxels; a patch is a box of `2 * radius + 1` voxels a side.
        dilation: distance of the neighbors, voxels.
        sigma: of Gaussian weights within a patch, voxels; without it, all its voxels count the same.

    Returns:
        Descriptor in (0, 1], `(B, 12, H, W, D)` or `(B, 4, H, W)`, float32 or float64.

    Raises:
        TypeError: if the image is not a tensor.
        ValueError: if its shape or a distance is wrong.

    Reference:
        Heinrich et al., "Towards Realtime Multimodal Fusion for Image-Guided Interventions Using Self-Similarities",
        MICCAI 2013, https://doi.org/10.1007/978-3-642-40811-3_24 -- equations (3) and (4).

    Example:
        >>> mind_ssc(torch.rand(1, 1, 5, 6, 7)).shape
        torch.Size([1, 12, 5, 6, 7])
    """
    _check(image, radius, dilation, sigma)
    with full_precision(image):
        return torch.cat(list(_descriptor_slabs(lift(image), dilation, _patch_weights(radius, sigma), SLAB)), 2)


class MINDSSC(nn.Module):
    """MIND-SSC as the feature extractor of a registration.

    Args:
        radius: of the patches, voxels.
        dilation: distance of the compared neighbors, voxels.
        sigma: of Gaussian weights within a patch, voxels; None weighs all its voxels the same.
    """

    centered = True  # an average of `stride` voxels lies in the middle of them

    def __init__(self, radius: int = 1, dilation: int = 2, sigma: float | None = None) -> None:
        super().__init__()
        self.radius = radius
        self.dilation = dilation
        self.sigma = sigma

    def forward(self, image: Tensor, stride: int = 1) -> Tensor:
        """Describe an image, averaged over blocks of voxels.

        Args:
            image: `(B, 1, *spatial)`, any unit.
            stride: side of the blocks, voxels.

        Returns:
            `(B, 12, *spatial / stride)` in 3-D, 4 channels in 2-D.
        """
        if stride == 1:
            return mind_ssc(image, self.radius, self.dilation, self.sigma)
        _check(image, self.radius, self.dilation, self.sigma)
        pool = F.avg_pool3d if image.ndim == 5 else F.avg_pool2d
        with full_precision(image):
            weights, thickness = _patch_weights(self.radius, self.sigma), max(SLAB // stride, 1) * stride
            slabs = _descriptor_slabs(lift(image), self.dilation, weights, thickness)
            return torch.cat([pool(slab, stride) for slab in slabs if slab.shape[2] >= stride], 2)


def _patch_weights(radius: int, sigma: float | None) -> list[float]:
    """Weights of the voxels of a patch along one axis, sum 1."""
    steps = range(-radius, radius + 1)
    weights = [1.0 if sigma is None else exp(-0.5 * (step / sigma) ** 2) for step in steps]
    return [weight / sum(weights) for weight in weights]


def _descriptor_slabs(image: Tensor, dilation: int, weights: list[float], thickness: int) -> Iterator[Tensor]:
    """Descriptors `(B, pairs, *slab)`, slab after slab along the first spatial axis.

    What lies between stays in the cache, which is three times faster on a CPU, and is let go of with its slab.
    """
    slabs = [d - d.amin(1, keepdim=True) for d in _distance_slabs(image, dilation, weights, thickness)]
    variances = [slab.mean(1, keepdim=True) for slab in slabs]
    of_sample = tuple(range(1, image.ndim))
    typical = torch.cat(variances, dim=2).mean(dim=of_sample, keepdim=True)
    largest = image.detach().abs().amax(dim=of_sample, keepdim=True)
    rounding = (ROUNDING * torch.finfo(typical.dtype).eps * largest).square()
    least = torch.maximum(typical * 1e-3, rounding)
    for variance in variances:
        yield _descriptor(slabs.pop(0), variance, least, typical * 1e3)


def _distance_slabs(image: Tensor, dilation: int, weights: list[float], thickness: int) -> Iterator[Tensor]:
    """Patch distances of all pairs of neighbors, `(B, pairs, *slab)`, slab after slab along the first spatial axis."""
    padded = F.pad(image, (dilation,) * 2 * (image.ndim - 2), mode="replicate")
    radius, size = len(weights) // 2, image.shape[2]
    for start in range(0, size, thickness):
        stop = min(start + thickness, size)
        low, high = max(start - radius, 0), min(stop + radius, size)
        slab = padded[:, :, low : high + 2 * dilation]
        yield _patch_distances(slab, dilation, weights)[:, :, start - low : stop - low]


def _patch_distances(padded: Tensor, dilation: int, weights: list[float]) -> Tensor:
    """Mean squared difference of the patches of all pairs; `padded` has a margin of `dilation` on each side."""
    distances = []
    for first, second in PAIRS_3D if padded.ndim == 5 else PAIRS_2D:
        difference = _shift(padded, first, dilation) - _shift(padded, second, dilation)
        distances.append(_weighted_mean(difference.square(), weights))
    return torch.cat(distances, dim=1)


def _shift(padded: Tensor, offset: tuple[int, ...], distance: int) -> Tensor:
    """The image seen from `offset * distance`; `padded` has a margin of `distance` on each side."""
    for axis, step in enumerate(offset, start=2):
        size = padded.shape[axis] - 2 * distance
        padded = padded.narrow(axis, distance * (1 + step), size)
    return padded


def _weighted_mean(image: Tensor, weights: list[float]) -> Tensor:
    """Average over a patch, border voxels repeated; one axis after the other."""
    radius = len(weights) // 2
    for axis in range(2, image.ndim):
        size = image.shape[axis]
        first, last = image.narrow(axis, 0, 1), image.narrow(axis, size - 1, 1)
        padded = torch.cat([first] * radius + [image] + [last] * radius, dim=axis)
        image = padded.narrow(axis, 0, size) * weights[0]
        for start, weight in enumerate(weights[1:], start=1):
            image = torch.add(image, padded.narrow(axis, start, size), alpha=weight)
    return image


def _descriptor(excess: Tensor, variance: Tensor, least: Tensor, most: Tensor) -> Tensor:
    # Flat regions have no variance but that of rounding; an image without any gets the descriptor 1.
    variance = torch.minimum(variance, most).maximum(least).clamp_min(torch.finfo(variance.dtype).tiny)
    return torch.exp(-excess / variance)


def _check(image: Tensor, radius: int, dilation: int, sigma: float | None) -> None:
    check_image("mind_ssc", "image", image)
    check_count("mind_ssc", "radius", radius, 0)
    check_count("mind_ssc", "dilation", dilation)
    if image.shape[1] != 1:
        expected = (image.shape[0], 1, *image.shape[2:])
        hint = "Describe channels one by one."
        raise ValueError(f"mind_ssc() expects 'image' of shape {expected}, got {tuple(image.shape)}. {hint}")
    if sigma is not None and sigma <= 0:
        raise ValueError(f"mind_ssc() expects 'sigma' of more than 0 or None, got {sigma}.")
