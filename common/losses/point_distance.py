"""How far points are from where they ought to be: the loss of a registration of clouds."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

TINY = 1e-12  # the root has no slope at 0


class PointDistance(nn.Module):
    """Mean distance of the predicted from the known displacement of points.

    Args:
        target: key of the known displacement, `(B, N, 3)`; ``unit``, `(B, 1, 1)`, says what is 1 in its frame.

    Example:
        >>> import torch
        >>> known = torch.tensor([[[0.0, 3.0, 4.0]]])
        >>> PointDistance()(torch.zeros(1, 1, 3), {"pseudo_label": known, "unit": torch.full((1, 1, 1), 2.0)})
        tensor(2.5000)
    """

    def __init__(self, target: str = "pseudo_label") -> None:
        super().__init__()
        self.target = target

    def forward(self, prediction: Tensor, batch: Mapping[str, Any]) -> Tensor:
        """Compute.

        Args:
            prediction: displacement of the points, `(B, N, 3)`.
            batch: with the known one.

        Returns:
            Scalar.
        """
        errors = (prediction - batch[self.target]) / batch["unit"]
        return errors.square().sum(dim=2).clamp(min=TINY).sqrt().mean()
