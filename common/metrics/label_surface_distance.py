"""Distances between the surfaces of labels as a metric that remembers its cases.

MONAI's metrics take one channel per label and their distances are slow on large volumes, see `surface_distance`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ._cumulative import MeanMetric
from ._label_maps import as_label_pair
from .surface_distance import surface_distance_per_label


class LabelSurfaceDistance(MeanMetric):
    """A distance of label maps `(B, 1, *spatial)`, collected as `(B, len(labels))`, mm.

    Args:
        labels: which labels.
        spacing: voxel size along each axis, mm.
        measure: see `surface_distance_per_label`.
    """

    def __init__(self, labels: Sequence[int], spacing: Sequence[float], measure: str = "hausdorff_95") -> None:
        super().__init__()
        self.labels = list(labels)
        self.spacing = tuple(spacing)
        self.measure = measure

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **_: Any) -> Tensor:
        warped, fixed = as_label_pair("LabelSurfaceDistance", y_pred, y)
        rows = [
            surface_distance_per_label(w[0], f[0], self.spacing, self.labels, self.measure)
            for w, f in zip(warped, fixed, strict=True)
        ]
        return torch.tensor([list(row.values()) for row in rows], dtype=torch.float64)
