"""Likeness of two images that need not have the same contrast.

MONAI's `GlobalMutualInformationLoss` is for gradients: it is neither normalized nor cheap on whole volumes.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SAMPLE = 200_000  # voxels that decide the range of intensities
PORTION = 2**18  # voxels that are binned at a time: they stay in the processor's cache


def normalized_mutual_information(first: Any, second: Any, bins: int = 32) -> float:
    """Compute Studholme's normalized mutual information of two images.

    .. math:: (H(A) + H(B)) / H(A, B)

    Each image's bins run from its 0.5th to its 99.5th percentile; values outside fall in the outermost bins.

    Args:
        first: image of any shape; tensor or array.
        second: the same shape.
        bins: of each image's intensities.

    Returns:
        From 1, independent, to 2, one determines the other. NaN where an image is constant or empty.

    Raises:
        ValueError: if shapes differ or `bins` is less than 2.

    Reference:
        Studholme, Hill, Hawkes, "An overlap invariant entropy measure of 3D medical image alignment", Pattern
        Recognition 1999, https://doi.org/10.1016/S0031-3203(98)00091-0.
    """
    a, b = _values(first), _values(second)
    if b.shape != a.shape:
        raise ValueError(f"normalized_mutual_information() expects 'second' of shape {a.shape}, got {b.shape}.")
    if bins < 2:
        raise ValueError(f"normalized_mutual_information() expects 'bins' of 2 or more, got {bins}.")
    joint = _joint_histogram(a.ravel(), b.ravel(), bins)
    entropy = _entropy(joint.ravel())
    if entropy == 0 or min(_entropy(joint.sum(0)), _entropy(joint.sum(1))) == 0:
        return float("nan")
    return (_entropy(joint.sum(0)) + _entropy(joint.sum(1))) / entropy


def _values(image: Any) -> NDArray:
    return image.detach().as_subclass(Tensor).cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)


def _joint_histogram(first: NDArray, second: NDArray, bins: int) -> NDArray:
    """How often two values go together, `(bins, bins)`."""
    joint = np.zeros(bins * bins, np.int64)
    if not first.size:
        return joint.reshape(bins, bins)
    ranges = [_range(values, bins) for values in (first, second)]
    for start in range(0, first.size, PORTION):
        a, b = (_bin(x[start : start + PORTION], *each, bins) for x, each in zip((first, second), ranges, strict=True))
        joint += np.bincount(a * bins + b, minlength=bins * bins)
    return joint.reshape(bins, bins)


def _range(values: NDArray, bins: int) -> tuple[float, float]:
    """Where the first bin begins, and bins a unit of intensity."""
    low, high = np.quantile(values[:: 1 + values.size // SAMPLE], (0.005, 0.995)).tolist()
    return low, bins / max(high - low, 1e-20)


def _bin(values: NDArray, low: float, scale: float, bins: int) -> NDArray:
    """Number of the bin of every value, `(N,)`, int64."""
    return ((values.astype(np.float32) - low) * scale).clip(0, bins - 1).astype(np.int64)


def _entropy(counts: NDArray) -> float:
    p = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(p * np.log(p)).sum())
