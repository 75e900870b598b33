"""One warp of a registration: the field by which the features of two images fit best, and how well they fit.

MONAI has no registration by matching.
"""

from typing import NamedTuple

from torch import Tensor

from common.spatial.checks import check_count, check_image, check_same_space

from .consistency import enforce_consistency
from .convex_coupling import coupled_convex
from .correlation import correlation_volume
from .field_of_view import forget_unseen
from .guiding_points import GuidingPoints
from .scheme import EXACT, Scheme


class Described(NamedTuple):
    """An image as its registration sees it.

    Attributes:
        features: `(B, C, *features)`, 2-D or 3-D, any unit.
        seen: which of their voxels the scan knows, `(B, 1, *features)`, 1 or 0.
    """

    features: Tensor
    seen: Tensor


def match_features(
    fixed: Described,
    moving: Described,
    radius: int,
    consistency_iterations: int = 15,
    points: GuidingPoints | None = None,
    scheme: Scheme = EXACT,
) -> Tensor:
    """Match the features of two images: correlation, coupled convex optimization, consistency of both directions.

    Args:
        fixed: the fixed image.
        moving: the moving one, of the same shapes.
        radius: largest displacement along each axis, voxels of the features.
        consistency_iterations: of forward-backward consistency; 0 saves the backward direction.
        points: what steers it besides, on the grid of the features.
        scheme: how to smooth and to sample.

    Returns:
        Displacement, `(B, d, *features)`, voxels of the features.

    Raises:
        TypeError: if the features are not tensors.
        ValueError: if the shapes differ, or a number is negative.

    Reference:
        Bigalke et al., MICCAI 2023, https://doi.org/10.1007/978-3-031-43999-5_64 -- section 2.2.
    """
    check_count("match_features", "consistency_iterations", consistency_iterations, 0)
    displacement = _match(fixed, moving, radius, points, scheme)
    if consistency_iterations:
        backward = _match(moving, fixed, radius, points and points.reversed(), scheme)
        displacement, _ = enforce_consistency(displacement, backward, consistency_iterations, scheme)
    return displacement


def mean_difference(fixed: Described, warped: Described) -> Tensor:
    r"""How far the features of an image and of a warped one are apart, where both are known.

    .. math:: E = mean_{x, c} (W_c(x) - F_c(x))^2

    Args:
        fixed: the fixed image.
        warped: the moving one on its grid, of the same shapes.

    Returns:
        Of each sample, `(B,)`, in the squared unit of the features; 0 where no voxel is known in both.

    Raises:
        TypeError: if the features are not tensors.
        ValueError: if the shapes differ.
    """
    check_image("mean_difference", "fixed", fixed.features)
    check_same_space("mean_difference", "warped", warped.features, fixed.features, fixed.features.shape[1])
    known = fixed.seen * warped.seen
    squares = (warped.features - fixed.features).square().mean(1, keepdim=True) * known
    return squares.flatten(1).sum(1) / known.flatten(1).sum(1).clamp_min(1)


def _match(fixed: Described, moving: Described, radius: int, points: GuidingPoints | None, scheme: Scheme) -> Tensor:
    cost = correlation_volume(fixed.features, moving.features, radius)
    cost = forget_unseen(cost, fixed.seen, moving.seen, radius)
    return coupled_convex(points.add_to(cost, radius) if points else cost, radius, scheme=scheme)
