"""Distances between the surfaces of labels as metrics that remember their cases.

MONAI's metrics take one channel per label and their distances are slow on large volumes, see `surface_distance`.
"""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ._cumulative import MeanMetric
from ._label_maps import as_label_pair
from .surface_distance import (
    average_surface_distance_per_label,
    hausdorff_distance_95_per_label,
    surface_distance_95_per_label,
)


class _LabelSurfaceMetric(MeanMetric):
    """A distance of label maps `(B, 1, *spatial)`, collected as `(B, len(labels))`, mm.

    Args:
        labels: which labels.
        spacing: voxel size along each axis, mm.
        reduction: see `MeanMetric`.
    """

    measure: ClassVar[Callable[..., dict[int, float]]]

    def __init__(self, labels: Sequence[int], spacing: Sequence[float], reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.labels = list(labels)
        self.spacing = tuple(spacing)

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **_: Any) -> Tensor:
        warped, fixed = as_label_pair(type(self).__name__, y_pred, y)
        rows = [type(self).measure(w[0], f[0], self.spacing, self.labels) for w, f in zip(warped, fixed, strict=True)]
        return torch.tensor([list(row.values()) for row in rows], dtype=torch.float64)


class LabelHausdorffDistance95(_LabelSurfaceMetric):
    """95th percentile surface distance, the larger of both directions, of label maps `(B, 1, *spatial)`, mm.

    Args:
        labels: which labels; the scores are collected as `(B, len(labels))`.
        spacing: voxel size along each axis, mm.
        reduction: see `MeanMetric`.
    """

    measure = staticmethod(hausdorff_distance_95_per_label)


class LabelSurfaceDistance95(_LabelSurfaceMetric):
    """95th percentile surface distance, both directions pooled, of label maps `(B, 1, *spatial)`, mm.

    Args:
        labels: which labels; the scores are collected as `(B, len(labels))`.
        spacing: voxel size along each axis, mm.
        reduction: see `MeanMetric`.
    """

    measure = staticmethod(surface_distance_95_per_label)


class LabelAverageSurfaceDistance(_LabelSurfaceMetric):
    """Mean surface distance, both directions pooled, of label maps `(B, 1, *spatial)`, mm.

    Args:
        labels: which labels; the scores are collected as `(B, len(labels))`.
        spacing: voxel size along each axis, mm.
        reduction: see `MeanMetric`.
    """

    measure = staticmethod(average_surface_distance_per_label)
