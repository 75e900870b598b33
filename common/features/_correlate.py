"""A filter along one axis of an image."""

import torch
from torch import Tensor


def correlate(image: Tensor, weights: Tensor, axis: int, mirror: bool = True) -> Tensor:
    """Weighted sum of neighbors along an axis.

    The border is a mirror between voxels, as SciPy's "reflect", or without `mirror` its voxels go on, as "nearest".
    """
    size, reach = image.shape[axis], len(weights) // 2
    index = torch.arange(-reach, size + reach, device=image.device)
    index = index.remainder(2 * size).minimum((-1 - index).remainder(2 * size)) if mirror else index.clamp(0, size - 1)
    padded = image.index_select(axis, index)
    total = torch.zeros_like(image)
    for shift, weight in enumerate(weights.tolist()):
        if weight:
            total = total.add(padded.narrow(axis, shift, size), alpha=weight)
    return total
