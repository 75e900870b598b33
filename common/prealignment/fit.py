"""The linear transform that most blocks of a matching agree on."""

import torch

from .matching import Match

ROUNDS = 10  # of reweighting; the weights settle in fewer
AGREEING = 0.6  # share of the blocks that are taken to move as a whole; the rest deforms or was matched wrongly


def fit_linear(match: Match, kind: str) -> torch.Tensor:
    r"""Fit a rigid or affine transform to moved blocks, by iteratively reweighted least squares.

    .. math:: \min_{A, t} \sum_i w_i \rho(|A p_i + t - q_i|)

    with Tukey's biweight of the residuals, which end at twice the quantile of AGREEING.

    Args:
        match: blocks p and where they went, q.
        kind: "rigid" or "affine".

    Returns:
        Matrix from where the blocks are to where they went, mm, ``(d + 1, d + 1)``, float64; the identity where there
        are too few blocks.
    """
    points, targets, dims = match.points, match.targets, match.points.shape[1]
    matrix = torch.eye(dims + 1, dtype=torch.float64)
    if int((match.weights > 0).sum()) < 4 * (dims + 1):
        return matrix
    weights = match.weights
    for _ in range(ROUNDS):
        share = weights / weights.sum()
        center, target = share @ points, share @ targets
        linear = (_rotation if kind == "rigid" else _affine)(points - center, targets - target, share)
        matrix[:-1, :-1], matrix[:-1, -1] = linear, target - linear @ center
        residual = (points @ matrix[:-1, :-1].T + matrix[:-1, -1] - targets).norm(dim=1)
        end = 2 * residual.quantile(AGREEING).clamp(min=1e-6)
        weights = match.weights * (1 - (residual / end).clamp(max=1).square()).square()
    return matrix


def _affine(points: torch.Tensor, targets: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    moments = points.T @ (points * share[:, None])
    return torch.linalg.lstsq(moments, points.T @ (targets * share[:, None]), driver="gelsd").solution.T


def _rotation(points: torch.Tensor, targets: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Kabsch's rotation."""
    u, _, vh = torch.linalg.svd(points.T @ (targets * share[:, None]))
    signs = torch.ones(len(u), dtype=torch.float64)
    signs[-1] = torch.linalg.det(u @ vh).sign()
    return (u * signs @ vh).T
