"""Regularity of displacement fields: how much of space folds, and how roughly it is stretched."""

from typing import Any

from torch import Tensor

from common.spatial import folding_percent, jacobian_determinant, sdlogj

from ._cumulative import MeanMetric


class FoldingPercent(MeanMetric):
    """Share of voxels where the field folds, percent; `y_pred` is a ddf `(B, d, *spatial)` in voxels."""

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **_: Any) -> Tensor:
        return folding_percent(jacobian_determinant(y_pred))[:, None]


class SDLogJ(MeanMetric):
    """Standard deviation of the log Jacobian determinant; `y_pred` is a ddf `(B, d, *spatial)` in voxels."""

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **_: Any) -> Tensor:
        return sdlogj(jacobian_determinant(y_pred))[:, None]


def jacobian_summary(ddf: Tensor) -> dict[str, float]:
    """Measure one field.

    Args:
        ddf: displacement, `(1, d, *spatial)`, voxels.

    Returns:
        `folding_percent`, `sdlogj`, and the smallest and largest determinant, `jacobian_min` and `jacobian_max`.

    Raises:
        ValueError: if it is not one field or of wrong shape.
    """
    if len(ddf) != 1:
        raise ValueError(f"jacobian_summary() expects 'ddf' of shape (1, d, *spatial), got {tuple(ddf.shape)}.")
    determinant = jacobian_determinant(ddf)
    return {
        "folding_percent": float(folding_percent(determinant)),
        "sdlogj": float(sdlogj(determinant)),
        "jacobian_min": float(determinant.min()),
        "jacobian_max": float(determinant.max()),
    }
