"""Key points that an image shows by itself: corners, branchings, whatever no direction leaves in doubt.

MONAI has no detector of interest points, ITK's and scikit-image's know no Foerstner's measure in 3-D.
"""

from math import ceil, exp

import torch
import torch.nn.functional as F
from torch import Tensor

from common.spatial.checks import check_image
from common.spatial.precision import full_precision, lift

from ._correlate import correlate

DERIVATIVE = (1 / 12, -8 / 12, 0.0, 8 / 12, -1 / 12)  # of fourth order
PRODUCTS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))


def foerstner_keypoints(
    image: Tensor, mask: Tensor | None = None, sigma: float = 1.4, window: int = 5, threshold: float = 1e-8
) -> Tensor:
    r"""Find the voxels that are the most distinct of their neighborhood.

    .. math:: D(x) = 1 / \operatorname{tr}(A(x)^{-1}), \quad A = G_\sigma * (\nabla I \, \nabla I^T)

    D is large only where I changes along every direction: a plane or a straight vessel has none.

    Args:
        image: I, `(1, 1, H, W, D)`; D has its unit squared. Voxels at the border go on beyond it.
        mask: where to look, the same shape, nonzero inside; its outermost voxels do not count. Everywhere by default.
        sigma: of the Gaussian, voxels.
        window: side of the box of voxels of which a key point is the most distinct one, odd.
        threshold: what D has to reach.

    Returns:
        Key points, `(N, 3)`, voxels, int64, in the order of the image's memory; N may be 0.

    Raises:
        TypeError: if the image is not a tensor.
        ValueError: if a shape is wrong, `sigma` not positive or `window` not odd and positive.

    Reference:
        Heinrich et al., "Estimating Large Lung Motion in COPD Patients by Symmetric Regularised Correspondence Fields",
        MICCAI 2015, https://doi.org/10.1007/978-3-319-24571-3_41 -- section 2.

    Example:
        >>> image = torch.zeros(1, 1, 9, 10, 11)
        >>> image[..., 4:, 5:, 6:] = 1
        >>> foerstner_keypoints(image, window=9)
        tensor([[5, 6, 7]])
    """
    _check(image, mask, sigma, window)
    with torch.no_grad(), full_precision(image):
        distinct = _distinctness(lift(image), sigma)
        largest = distinct
        for axis in range(3):
            size = [window if other == axis else 1 for other in range(3)]
            largest = F.max_pool3d(largest, size, stride=1, padding=[n // 2 for n in size])
        chosen = (distinct == largest) & (distinct >= threshold)
        if mask is not None:
            chosen &= _eroded(mask)
        return chosen[0, 0].nonzero()


def _distinctness(image: Tensor, sigma: float) -> Tensor:
    """D: the determinant over the sum of the principal minors, which is the trace of the adjugate."""
    derivative = torch.tensor(DERIVATIVE)
    slopes = [correlate(image, derivative, axis, mirror=False) for axis in (2, 3, 4)]
    reach = ceil(1.5 * sigma)
    gaussian = torch.tensor([exp(-0.5 * (offset / sigma) ** 2) for offset in range(-reach, reach + 1)])
    gaussian /= gaussian.sum()
    entries = []
    for first, second in PRODUCTS:
        entry = slopes[first] * slopes[second]
        for axis in (2, 3, 4):
            entry = correlate(entry, gaussian, axis, mirror=False)
        entries.append(entry)
    a, b, c, d, e, f = entries
    minors = d * f - e * e, a * f - c * c, a * d - b * b
    determinant = a * minors[0] - b * (b * f - c * e) + c * (b * e - c * d)
    return (determinant / (minors[0] + minors[1] + minors[2])).nan_to_num(0.0, 0.0, 0.0).clamp_min(0)


def _eroded(mask: Tensor) -> Tensor:
    """The mask without voxels of which one of the six neighbors lies outside; the image's border is none."""
    outside = (mask == 0).float()
    for axis in (2, 3, 4):
        size = [3 if other == axis else 1 for other in (2, 3, 4)]
        grown = F.max_pool3d((mask == 0).float(), size, stride=1, padding=[n // 2 for n in size])
        outside = torch.maximum(outside, grown)
    return outside == 0


def _check(image: Tensor, mask: Tensor | None, sigma: float, window: int) -> None:
    check_image("foerstner_keypoints", "image", image)
    if image.ndim != 5 or image.shape[:2] != (1, 1):
        raise ValueError(
            f"foerstner_keypoints() expects 'image' of shape (1, 1, H, W, D), got {tuple(image.shape)}. "
            "Images have different numbers of key points: find them one by one."
        )
    if mask is not None and mask.shape != image.shape:
        raise ValueError(
            f"foerstner_keypoints() expects 'mask' of shape {tuple(image.shape)}, got {tuple(mask.shape)}."
        )
    if not sigma > 0:
        raise ValueError(f"foerstner_keypoints() expects 'sigma' above 0, got {sigma}.")
    if window < 1 or window % 2 == 0:
        raise ValueError(f"foerstner_keypoints() expects 'window' to be odd and positive, got {window}.")
