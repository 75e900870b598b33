"""Regularity of displacement fields: how much of space folds, and how roughly it is stretched."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from common.spatial import folding_percent, jacobian_determinant, sdlogj

from ._cumulative import MeanMetric

CROP = 2  # voxels on each side


class FoldingPercent(MeanMetric):
    """Share of voxels where the field folds, percent; `y_pred` is a ddf `(B, d, *spatial)` in voxels."""

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **_: Any) -> Tensor:
        return folding_percent(jacobian_determinant(y_pred))[:, None]


class SDLogJ(MeanMetric):
    """Standard deviation of the log Jacobian determinant; `y_pred` is a ddf `(B, d, *spatial)` in voxels."""

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **_: Any) -> Tensor:
        return sdlogj(jacobian_determinant(y_pred))[:, None]


def jacobian_summary(ddf: Tensor, mask: Tensor | None = None) -> dict[str, float]:
    """Measure one field.

    The two outermost voxels on each side are left out, as by the other metrics, except along an axis of less than five:
    a stack of few slices goes on beyond its ends as it ends, and all of it counts.

    Args:
        ddf: displacement, `(1, d, *spatial)`, voxels.
        mask: where folding is measured once more, bool, `(1, 1, *spatial)`, such as in the lungs.

    Returns:
        `folding_percent`, `sdlogj`, and the smallest and largest determinant, `jacobian_min` and `jacobian_max`; with a
        mask `folding_inside_percent`, NaN where it is empty.

    Raises:
        ValueError: if it is not one field, or a shape is wrong.
    """
    if len(ddf) != 1:
        raise ValueError(f"jacobian_summary() expects 'ddf' of shape (1, d, *spatial), got {tuple(ddf.shape)}.")
    wanting = [CROP if size < 2 * CROP + 1 else 0 for size in reversed(ddf.shape[2:])]
    if any(wanting):
        ddf = F.pad(ddf, [margin for margin in wanting for _ in range(2)], mode="replicate")
    determinant = jacobian_determinant(ddf, crop=CROP)
    summary = {
        "folding_percent": float(folding_percent(determinant)),
        "sdlogj": float(sdlogj(determinant)),
        "jacobian_min": float(determinant.min()),
        "jacobian_max": float(determinant.max()),
    }
    if mask is not None:
        seen = tuple(slice(CROP, size - CROP) if size > 2 * CROP else slice(None) for size in mask.shape[2:])
        summary["folding_inside_percent"] = float(folding_percent(determinant, mask[(..., *seen)]))
    return summary
