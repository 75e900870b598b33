"""The loss of every bundle: weighted terms, warped for and summed over directions in one place.

MONAI has losses, and no sum of them that knows a moving image from a fixed one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from common.io import InputError
from common.spatial import PADDINGS

from .direction import Direction, Prediction, directions
from .term import Term


class RegistrationLoss(nn.Module):
    r"""Weighted sum of terms, each averaged over the predicted directions.

    .. math:: L = \sum_k w_k T_k

    A term of weight 0 is not computed, nor one of which the batch has nothing to read. The last values are in `terms`,
    for logging.

    Args:
        terms: weight and term by name: `{"similarity": [1.0, Similarity(...)], ...}`; see `Term`. The weights are in
            `weights`, for schedules to set with `set_weight`.
        padding: of moving images and labels, see `common.spatial.warp`.

    Raises:
        InputError: if the padding is unknown, or there are no terms.

    Example:
        >>> from common.losses import DisplacementSmoothness, Regularization, Similarity
        >>> similarity, regularization = Similarity(torch.nn.MSELoss()), Regularization(DisplacementSmoothness())
        >>> loss = RegistrationLoss({"similarity": [1.0, similarity], "regularization": [0.5, regularization]})
        >>> batch = {"fixed_image": torch.ones(1, 1, 4, 4), "moving_image": torch.zeros(1, 1, 4, 4)}
        >>> loss(torch.zeros(1, 2, 4, 4), batch).item(), loss.terms
        (1.0, {'similarity': 1.0, 'regularization': 0.0, 'loss': 1.0})
    """

    def __init__(self, terms: Mapping[str, Sequence[Any]], padding: str = "zeros") -> None:
        super().__init__()
        if padding not in PADDINGS:
            raise InputError(f"padding is expected to be one of {', '.join(PADDINGS)}, got {padding}.")
        if not terms:
            raise InputError("RegistrationLoss() expects 'terms' with one or more, got none.")
        self.weights = {name: float(weight) for name, (weight, _) in terms.items()}
        self.parts: dict[str, Term] = {name: term for name, (_, term) in terms.items()}
        self.padding = padding
        self.terms: dict[str, float] = {}

    def set_weight(self, name: str, weight: float) -> None:
        """Change a weight: what a schedule calls.

        Raises:
            ValueError: if there is no such term.
        """
        if name not in self.weights:
            raise ValueError(f"RegistrationLoss() has no term {name}, but {', '.join(self.weights)}.")
        self.weights[name] = float(weight)

    def forward(self, prediction: Tensor | Prediction, batch: Mapping[str, Any]) -> Tensor:
        """Sum up.

        Args:
            prediction: a displacement `(B, d, *spatial)` in voxels, or what has one, see `Prediction`.
            batch: what the terms read: `fixed_image`, `moving_image`, `(B, C, *spatial)`, ...

        Returns:
            Scalar.

        Raises:
            ValueError: if there is nothing for any term in the batch.
        """
        values: dict[str, list[Tensor]] = {}
        for pair in directions(prediction, batch, self.padding):
            for name, value in self._values(pair).items():
                values.setdefault(name, []).append(value)
        if not values:
            raise ValueError(f"RegistrationLoss() expects a batch for one of its terms, got {', '.join(batch)}.")
        means = {name: torch.stack(each).mean() for name, each in values.items()}
        loss = torch.stack([self.weights[name] * mean for name, mean in means.items()]).sum()
        self.terms = {name: float(mean.detach()) for name, mean in means.items()} | {"loss": float(loss.detach())}
        return loss

    def _values(self, pair: Direction) -> dict[str, Tensor]:
        """The terms of one direction."""
        parts = {name: term for name, term in self.parts.items() if self.weights[name]}
        moving = {name: term.moving(pair) for name, term in parts.items()}
        warped = _warp_together(pair, {name: tensor for name, tensor in moving.items() if tensor is not None})
        values = {name: term(pair, warped.get(name)) for name, term in parts.items()}
        return {name: value for name, value in values.items() if value is not None}


def _warp_together(pair: Direction, moving: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Look up all channels at once, since the coordinates are the same."""
    if not moving:
        return {}
    warped = pair.warp(torch.cat(list(moving.values()), dim=1))
    return dict(zip(moving, warped.split([tensor.shape[1] for tensor in moving.values()], dim=1), strict=True))
