"""A part of the voxels of a grid at a time: a smooth field is known by few of them, and each step takes others.

PyTorch's samplers choose among the items of a data set.
"""

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor


class Part(NamedTuple):
    """Voxels of a grid: every few along each axis, from one on.

    Attributes:
        steps: from one to the next along each axis.
        first: the first of them.

    Example:
        >>> Part(steps=(1, 2), first=(0, 1)).of(torch.arange(8).view(1, 1, 2, 4))
        tensor([[[[1, 3],
                  [5, 7]]]])
    """

    steps: tuple[int, ...]
    first: tuple[int, ...]

    @property
    def everything(self) -> bool:
        """Whether no voxel is left out."""
        return max(self.steps) == 1 and not any(self.first)

    def of(self, image: Tensor) -> Tensor:
        """These voxels of an image, `(B, C, *part)`, a view."""
        slices = (slice(first, None, step) for first, step in zip(self.first, self.steps, strict=True))
        return image[(..., *slices)]  # type: ignore[index]

    def axes(self, spatial_shape: Sequence[int], like: Tensor) -> list[Tensor]:
        """Where along each axis of a grid they lie, voxels."""
        ranges = zip(self.first, spatial_shape, self.steps, strict=True)
        return [torch.arange(*each, dtype=like.dtype, device=like.device) for each in ranges]

    def grid(self, ddf: Tensor) -> Tensor:
        """Coordinates of these voxels, `(d, *part)`, which look where a field of the part `(B, d, *part)` leads."""
        shape = [first + step * n for first, step, n in zip(self.first, self.steps, ddf.shape[2:], strict=True)]
        return torch.stack(torch.meshgrid(*self.axes(shape, ddf), indexing="ij"))


def whole(dims: int) -> Part:
    """All voxels of a grid."""
    return Part((1,) * dims, (0,) * dims)


def parts_of(spatial_shape: Sequence[int], least: int | None) -> list[Part]:
    r"""Divide a grid into interleaved parts, each of which looks everywhere.

    Stochastic gradient descent takes another one in each step.

    Args:
        spatial_shape: of the grid.
        least: voxels of a part, about, where an axis is odd; with fewer than twice as many the grid stays whole. None
            divides nothing.

    Returns:
        1, 2, 4 or, in 3-D, 8 parts; neighbors in this order lie far from one another.

    Reference:
        Klein, Staring, Pluim, "Evaluation of Optimization Methods for Nonrigid Medical Image Registration Using Mutual
        Information and B-Splines", IEEE Transactions on Image Processing 2007,
        https://doi.org/10.1109/TIP.2007.909412 -- who draw the voxels of each step at random.

    Example:
        >>> [part.first for part in parts_of((8, 8), least=16)]
        [(0, 0), (1, 1), (0, 1), (1, 0)]
    """
    count, longer = prod(spatial_shape), [axis for axis, size in enumerate(spatial_shape) if size > 1]
    halved = longer[: sum(least is not None and count >= least * 2**times for times in range(1, len(longer) + 1))]
    steps = tuple(2 if axis in halved else 1 for axis in range(len(spatial_shape)))
    firsts = list(product(*map(range, steps)))
    ends = [firsts[-1 - k // 2] if k % 2 else firsts[k // 2] for k in range(len(firsts))]  # from both ends in turn
    return [Part(steps, first) for first in ends]
