"""How many warps a registration by coupled convex optimization makes, and on which grids."""

from collections.abc import Sequence
from math import prod

Warps = Sequence[Sequence[int]]  # of each warp the stride of the features and the largest displacement on their grid

FEW_VOXELS = 2**19
FINE_WARPS = ((2, 3), (2, 2), (2, 1), (1, 1), (1, 1))
COARSE_WARPS = ((4, 4), (4, 2), (4, 1), (2, 1), (2, 1))


def choose_warps(spatial_shape: Sequence[int]) -> Warps:
    """Strides and radii for images of a size, from coarse to fine; found by measuring, see ``benchmarks/README.md``."""
    return FINE_WARPS if prod(spatial_shape) < FEW_VOXELS else COARSE_WARPS
