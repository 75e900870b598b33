"""Jaccard index of label maps.

MONAI's `MeanIoU` wants a channel a label, and leaves out a label that is missing from the reference alone.
"""

from typing import Any

from torch import Tensor

from .dice import LabelDice


class LabelJaccard(LabelDice):
    r"""Jaccard index of label maps `(B, 1, *spatial)`, collected as `(B, len(labels))`.

    .. math:: J_l = |F_l \cap W_l| / |F_l \cup W_l| = D_l / (2 - D_l)

    D is the Dice overlap: NaN where the label is in neither map, 0 where it is in one of them only.

    Args:
        labels: which labels.
    """

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **options: Any) -> Tensor:
        dice = super()._compute_tensor(y_pred, y, **options)
        return dice / (2 - dice)
