"""Coupled convex optimization: the best smooth field of a cost volume, in closed form and differentiable.

MONAI has no discrete optimization.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from common.spatial.checks import check_count, check_image
from common.spatial.precision import full_precision, lift

from .correlation import displacement_candidates
from .scheme import EXACT, Scheme

COUPLINGS = (0.003, 0.03, 0.3)


def coupled_convex(
    cost: Tensor, radius: int, couplings: Sequence[float] = COUPLINGS, sharpness: float = 20.0, scheme: Scheme = EXACT
) -> Tensor:
    """Choose a displacement for every voxel that fits well and is smooth.

    Fit and smoothness are told apart and coupled ever more tightly, for theta over `couplings`:

    .. math::
        u(x) = sum_d d softmax_d(-a (C(x, d) + theta |d - v(x)|^2)), v = mean filter of u

    beginning with the expectation of the cost alone, theta = 0, which is not filtered. The softmax in the place of an
    argmin makes it differentiable; `sharpness` a is the slope.

    Args:
        cost: C, `(B, (2 * radius + 1) ** d, *spatial)`, 2-D or 3-D, candidates as in `displacement_candidates`.
        radius: of the candidates, voxels.
        couplings: theta, in units of cost per squared voxel.
        sharpness: a, per unit of cost.
        scheme: how to smooth.

    Returns:
        Displacement, `(B, d, *spatial)`, voxels of the grid of `cost`, float32 or float64.

    Raises:
        TypeError: if the cost is not a tensor.
        ValueError: if the number of channels is not that of the candidates.

    Reference:
        Bigalke et al., MICCAI 2023, https://doi.org/10.1007/978-3-031-43999-5_64 -- section 2.2; after Heinrich et al.,
        "Non-parametric Discrete Registration with Convex Optimisation", WBIR 2014.
    """
    candidates = _candidates(cost, radius)
    with full_precision(cost):
        cost = lift(cost) * -sharpness
        logits = cost.flatten(2)  # (B, K, N)
        displacement = _expectation(logits, candidates)
        for theta in couplings:
            # |d - v|^2 without |v|^2, which is the same for all candidates.
            penalty = candidates.square().sum(1, keepdim=True) * (-sharpness * theta)
            pull = candidates * (2 * sharpness * theta)
            coupled = torch.baddbmm(logits + penalty, pull.expand(len(cost), -1, -1), displacement)
            displacement = _expectation(coupled, candidates).view(len(cost), -1, *cost.shape[2:])
            displacement = scheme.smooth(displacement, 1).flatten(2)
        return displacement.view(len(cost), -1, *cost.shape[2:])


def _expectation(logits: Tensor, candidates: Tensor) -> Tensor:
    return candidates.T @ logits.softmax(1)  # (B, d, N)


def _candidates(cost: Tensor, radius: int) -> Tensor:
    check_image("coupled_convex", "cost", cost)
    check_count("coupled_convex", "radius", radius, 0)
    candidates = displacement_candidates(radius, cost.ndim - 2, lift(cost).dtype)
    if cost.shape[1] != len(candidates):
        expected = (cost.shape[0], len(candidates), *cost.shape[2:])
        hint = f"These are the candidates of radius {radius}."
        raise ValueError(f"coupled_convex() expects 'cost' of shape {expected}, got {tuple(cost.shape)}. {hint}")
    return candidates.to(cost.device)
