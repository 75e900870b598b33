"""Integrate a stationary velocity field.

MONAI's `DVF2DDF` pads with zeros by default, which tears the field at the border, and is inexact in half precision.
"""

from math import ceil, log2

import torch
from torch import Tensor

from .checks import check_count, check_ddf
from .compose import compose
from .precision import full_precision, lift
from .warp import warp

TOLERANCE = 5e-4  # voxels
MAXIMUM_STEPS = 16
STEPS_OF_A_TRACE = 7


def exponentiate(dvf: Tensor, steps: int | None = None) -> Tensor:
    r"""Integrate a stationary velocity field over unit time by scaling and squaring.

    .. math:: \exp(v) = \exp(v / 2^n)^{2^n}

    Convention:
        `exponentiate(-dvf)` is the inverse of `exponentiate(dvf)`. A coarse grid saves most of the time:
        `resize_ddf(exponentiate(dvf), shape)`.

    Args:
        dvf: velocity, `(B, d, *spatial)`, voxels; continued with its border values outside the grid.
        steps: number n of squarings; the velocity is divided by `2**steps`. By default as many as keep the error of
            the first step, :math:`|(v \cdot \nabla) v| / 2^{n + 1}`, below 0.0005 voxels, at most 16; while a network
            is traced, where the number cannot depend on the field, 7.

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
    if steps is not None:
        check_count("exponentiate", "steps", steps, 0)
    with full_precision(dvf):
        ddf = lift(dvf)
        steps = _choose_steps(ddf.detach()) if steps is None else steps
        ddf = ddf / 2**steps
        for _ in range(steps):
            ddf = compose(ddf, ddf)
        return ddf


def _choose_steps(dvf: Tensor) -> int:
    if torch.jit.is_tracing():
        return STEPS_OF_A_TRACE
    share = 1 / max(1.0, 2 * float(dvf.abs().amax()))  # of the unit of time: the way of half a voxel at most
    change = float((warp(dvf, share * dvf) - dvf).norm(dim=1).amax()) / share
    return ceil(min(log2(change / TOLERANCE) - 1, MAXIMUM_STEPS)) if change > 2 * TOLERANCE else 0
