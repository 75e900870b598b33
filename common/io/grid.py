"""The grid of a scan that was read."""

from collections.abc import Sequence
from itertools import product

import torch
from monai.data import MetaTensor

from common.spatial import Grid, voxel_to_world


def grid_of(image: MetaTensor) -> Grid:
    """The grid of a channel-first scan, 2-D or 3-D; affine RAS."""
    dims = image.ndim - 1
    keep = [*range(dims), 3]
    return Grid(tuple(image.shape[1:]), image.affine.double().cpu()[keep][:, keep])


def largest_distance(shape: Sequence[int], first: torch.Tensor, second: torch.Tensor) -> float:
    """How far two affines put the same voxel apart, at most: a corner is the farthest.

    Args:
        shape: of the grid.
        first: voxel to world, mm.
        second: another one.

    Returns:
        mm.
    """
    corners = torch.tensor(list(product(*[(0.0, n - 1.0) for n in shape])), dtype=torch.float64)
    return float((voxel_to_world(corners, first) - voxel_to_world(corners, second)).norm(dim=-1).max())
