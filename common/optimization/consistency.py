"""Bring the two directions of a registration to agree.

MONAI has no inverse of a displacement field.
"""

from torch import Tensor

from common.spatial.checks import check_count, check_ddf, check_same_space
from common.spatial.precision import full_precision, lift

from .scheme import EXACT, Scheme


def enforce_consistency(
    forward: Tensor, backward: Tensor, iterations: int = 15, scheme: Scheme = EXACT
) -> tuple[Tensor, Tensor]:
    """Make two displacement fields more inverse to one another, both at once.

    .. math:: u(x) = (u(x) - v(x + u(x))) / 2, v(x) = (v(x) - u(x + v(x))) / 2

    Args:
        forward: u, `(B, d, *spatial)`, voxels.
        backward: v, the displacement of the opposite direction on the same grid, `(B, d, *spatial)`, voxels.
        iterations: how often; the fields of one iteration come from those of the last.
        scheme: how to sample.

    Returns:
        The two fields, `(B, d, *spatial)`, voxels, float32 or float64.

    Raises:
        TypeError: if an argument is not a tensor of floating point numbers.
        ValueError: if the shapes differ or `iterations` is negative.

    Reference:
        Bigalke et al., MICCAI 2023, https://doi.org/10.1007/978-3-031-43999-5_64 -- section 2.2.
    """
    check_ddf("enforce_consistency", forward, "forward")
    check_ddf("enforce_consistency", backward, "backward")
    check_same_space("enforce_consistency", "backward", backward, forward, forward.shape[1])
    check_count("enforce_consistency", "iterations", iterations, 0)
    with full_precision(forward):
        forward, backward = lift(forward), lift(backward)
        for _ in range(iterations):
            pulled_backward = scheme.pull_back(backward, forward)
            pulled_forward = scheme.pull_back(forward, backward)
            forward, backward = (forward - pulled_backward) / 2, (backward - pulled_forward) / 2
        return forward, backward
