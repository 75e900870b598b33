"""Overlap of label maps.

MONAI's `compute_dice` goes through the volume once per label and leaves out a label that is missing from the reference
alone; here one pass counts all labels, and only a label missing from both maps is left out.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ._cumulative import MeanMetric
from ._label_maps import as_label_pair, numbered, wanted_labels


def dice_per_label(warped_label: Any, fixed_label: Any, labels: Sequence[int] | None = None) -> dict[int, float]:
    r"""Compute the Dice overlap of every label.

    .. math:: 2 |F_l \cap W_l| / (|F_l| + |W_l|)

    Args:
        warped_label: label map of any shape, whole numbers from 0 on; tensor or array.
        fixed_label: the same shape.
        labels: which labels; by default all but 0 that occur in either map.

    Returns:
        Score in [0, 1] by label; NaN where the label is in neither map, 0 where it is in one of them only.

    Raises:
        ValueError: if the shapes differ or a map holds negative or fractional values.

    Example:
        >>> dice_per_label([[0, 1, 0], [0, 3, 0]], [[0, 1, 1], [2, 2, 0]])
        {1: 0.6666666666666666, 2: 0.0, 3: 0.0}
    """
    warped, fixed = as_label_pair("dice_per_label", warped_label, fixed_label)
    labels = wanted_labels(labels, fixed, warped)
    scores = _dice(warped, fixed, labels)
    return dict(zip(labels, scores.tolist(), strict=True))


def dice30(scores: Any, percentile: bool = False) -> float:
    """Compute how well the hard cases do, from the Dice scores of many cases.

    Args:
        scores: mean Dice of each case, `(cases,)`; NaN is left out.
        percentile: the 30th percentile, linear between scores, as the code of Estienne et al. and the challenge have
            it.

    Returns:
        By default the mean of the lowest 30 % of the scores (their number rounded up), as the text of Estienne et al.
        has it.

    Raises:
        ValueError: if there is no score.

    Reference:
        Hering et al., "Learn2Reg: Comprehensive Multi-Task Medical Image Registration Challenge", TMI 2022,
        https://doi.org/10.1109/TMI.2022.3213983; Estienne et al., "Deep Learning Based Registration Using Spatial
        Gradients and Noisy Segmentation Labels", 2020, https://doi.org/10.1007/978-3-030-71827-5_11.
    """
    values = np.asarray(scores, dtype=np.float64)
    values = values[~np.isnan(values)]
    if not values.size:
        raise ValueError(f"dice30() expects 'scores' with at least one number, got {scores}.")
    if percentile:
        return float(np.quantile(values, 0.3))
    return float(np.sort(values, axis=None)[: (3 * values.size + 9) // 10].mean())


class LabelDice(MeanMetric):
    """Dice of label maps `(B, 1, *spatial)`, collected as `(B, len(labels))`.

    Args:
        labels: which labels.
    """

    def __init__(self, labels: Sequence[int]) -> None:
        super().__init__()
        self.labels = [int(label) for label in labels]

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **_: Any) -> Tensor:
        warped, fixed = as_label_pair("LabelDice", y_pred, y)
        return torch.stack([_dice(w, f, self.labels) for w, f in zip(warped, fixed, strict=True)])


def _dice(warped: Tensor, fixed: Tensor, labels: Sequence[int]) -> Tensor:
    """Scores `(len(labels),)`, float64 on the CPU; 0 / 0 is NaN."""
    labels, (fixed, warped) = numbered(labels, fixed, warped)
    size = 1 + max(labels, default=0)
    in_fixed, in_warped, in_both = (
        torch.bincount(voxels.flatten(), minlength=size)[:size].double().cpu()
        for voxels in (fixed, warped, fixed[fixed == warped])
    )
    return (2 * in_both / (in_fixed + in_warped))[list(labels)]
