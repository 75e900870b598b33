"""Integrate a stationary velocity field.

MONAI's `DVF2DDF` pads with zeros by default, which tears the field at the border, and is inexact in half precision.
"""

from torch import Tensor

from .checks import check_count, check_ddf
from .compose import compose
from .precision import full_precision, lift


def exponentiate(dvf: Tensor, steps: int = 7) -> Tensor:
    r"""Integrate a stationary velocity field over unit time by scaling and squaring.

    .. math:: \exp(v) = \exp(v / 2^n)^{2^n}

    Convention:
        `exponentiate(-dvf)` is the inverse of `exponentiate(dvf)`. A coarse grid saves most of the time:
        `resize_ddf(exponentiate(dvf), shape)`.

    Args:
        dvf: velocity, `(B, d, *spatial)`, voxels; continued with its border values outside the grid.
        steps: number n of squarings; the velocity is divided by `2**steps`.

    Returns:
        Displacement, `(B, d, *spatial)`, voxels, float32 or float64.

    Raises:
        TypeError: if the velocity is not a tensor of floating point numbers.
        ValueError: if its shape is wrong or `steps` is negative.

    Reference:
        Arsigny et al., "A Log-Euclidean Framework for Statistics on Diffeomorphisms", MICCAI 2006,
        https://doi.org/10.1007/11866565_113.
    """
    check_ddf("exponentiate", dvf, "dvf")
    check_count("exponentiate", "steps", steps, 0)
    with full_precision(dvf):
        ddf = lift(dvf) / 2**steps
        for _ in range(steps):
            ddf = compose(ddf, ddf)
        return ddf
