"""How well two coarse scans match after a small deformation, and where their blocks move.

The question a start has to answer is not how alike the scans are, but how alike a deformable registration can make
them. So half of the measure is taken after one step of the registration itself, on a very coarse grid: MIND-SSC, cost
volume, coupled convex optimization. Mutual information prefers what fills the field of view and lines up the skin.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F

from common.features import MINDSSC
from common.optimization import correlation_volume, coupled_convex
from common.spatial import Grid, sample, voxel_to_world, warp

from .coarse import Coarse

STRIDE = 2  # voxels of the coarse scan in a block
RADIUS = 3  # blocks a block may move along each axis
FEATURE_SCALE = 5.0  # as in the registration: with it the couplings fit


class Match(NamedTuple):
    """What one matching gives.

    Attributes:
        points: middles of the blocks that count, fixed world, ``(N, d)``, mm.
        targets: where they went, in the fixed world as well, ``(N, d)``, mm.
        weights: how much structure they have, ``(N,)``.
        likeness: of the descriptors, -1 to 1: the mean of before and after the blocks have moved, but no less than
            before, so that nothing is more alike than a scan to itself.
        overlap: share of the smaller scan (where it counts) on which the other one lies (where it counts).
    """

    points: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    likeness: float
    overlap: float


class BlockMatching:
    """Matches a moving scan, brought by a matrix, to a fixed one.

    Args:
        fixed: the scan that stays.
        moving: the scan that is brought onto it.
    """

    def __init__(self, fixed: Coarse, moving: Coarse) -> None:
        self.moving = moving
        self.shared = min(1.0, moving.volume / max(fixed.volume, 1e-6))
        self.describe = MINDSSC(dilation=1)
        shape = tuple(size // STRIDE * STRIDE for size in fixed.values.shape)
        self.grid = Grid(shape, fixed.grid.affine)
        cut = tuple(slice(size) for size in shape)
        self.features = self.describe(fixed.values[cut][None, None], STRIDE)
        self.inside = fixed.inside[cut][None, None].float()

    def __call__(self, matrix: torch.Tensor) -> Match:
        """Match under a matrix from fixed to moving world points, LPS mm."""
        grid, moving = self.grid, self.moving
        index = Grid(grid.shape, matrix @ grid.affine).map_to(moving.grid.affine)
        counts = sample(moving.inside[None, None].float(), index, "nearest", "inside") * self.inside
        overlap = float(counts.mean() / self.inside.mean().clamp(min=1e-6)) / max(self.shared, 1e-6)
        features = self.describe(sample(moving.values[None, None], index), STRIDE)
        pool = F.avg_pool3d if counts.ndim == 5 else F.avg_pool2d
        counts = pool(counts, STRIDE) > 0.5
        cost = correlation_volume(self.features * FEATURE_SCALE, features * FEATURE_SCALE, RADIUS)
        moves = coupled_convex(cost, RADIUS)
        moved = warp(features, moves)
        before, after = (correlation(self.features, other, counts) for other in (features, moved))
        likeness = max(before, (before + after) / 2)
        blocks = torch.ones(counts.shape).nonzero()[counts.flatten(), 2:].double()
        affine = grid.affine.clone()
        affine[:-1, -1] += (STRIDE - 1) / 2 * affine[:-1, :-1].diagonal()
        affine[:-1, :-1] *= STRIDE
        targets = blocks + moves[0].flatten(1).T[counts.flatten()].double()
        weights = self.features.var(1)[0].flatten()[counts.flatten()].double()
        return Match(voxel_to_world(blocks, affine), voxel_to_world(targets, affine), weights, likeness, overlap)


def correlation(first: torch.Tensor, second: torch.Tensor, counts: torch.Tensor) -> float:
    """Correlation of two feature maps ``(1, C, *spatial)`` where ``counts``, each channel about its mean."""
    if not bool(counts.any()):
        return -1.0
    one, other = (features[0].flatten(1)[:, counts.flatten()] for features in (first, second))
    one, other = one - one.mean(1, keepdim=True), other - other.mean(1, keepdim=True)
    size = (one.square().sum() * other.square().sum()).sqrt()
    return float((one * other).sum() / size) if size > 0 else 0.0
