"""Distances between the surfaces of labels, in mm.

MONAI measures masks; here every label of a label map is handed to it within its own bounding box, which makes many
labels on a large volume quick, and no map is expanded to one channel a label. Its `compute_hausdorff_distance` would
warn about itself at every call.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from monai.metrics import get_mask_edges, get_surface_distance
from numpy.typing import NDArray
from scipy.ndimage import find_objects
from torch import Tensor

from ._cumulative import MeanMetric
from ._label_maps import as_label_pair, wanted_labels

Summary = Callable[[list[NDArray]], float]


def hausdorff_distance_95_per_label(
    fixed_label: Any, warped_label: Any, spacing: Sequence[float], labels: Sequence[int] | None = None
) -> dict[int, float]:
    """Compute the 95th percentile of the distance between surfaces, the larger of both directions, of every label.

    Surface voxels count alike; tools that weight them by area differ by up to about a voxel.

    Args:
        fixed_label: label map, `(*spatial)`, 2-D or 3-D, whole numbers; tensor or array.
        warped_label: the same shape.
        spacing: voxel size along each axis, mm.
        labels: which labels; by default all but 0 that occur in either map.

    Returns:
        Distance in mm by label; NaN where the label is missing from one of the maps or both.

    Raises:
        ValueError: if the shapes differ, a map holds negative or fractional values, or the spacing does not fit.

    Example:
        >>> hausdorff_distance_95_per_label([[1, 0, 0], [0, 0, 2]], [[0, 0, 1], [0, 0, 2]], (1.0, 2.5))
        {1: 5.0, 2: 0.0}
    """
    return _per_label(
        "hausdorff_distance_95_per_label", _largest_percentile, fixed_label, warped_label, spacing, labels
    )


def average_surface_distance_per_label(
    fixed_label: Any, warped_label: Any, spacing: Sequence[float], labels: Sequence[int] | None = None
) -> dict[int, float]:
    """Compute the mean distance between surfaces, both directions pooled, of every label.

    Args:
        fixed_label: label map, `(*spatial)`, 2-D or 3-D, whole numbers; tensor or array.
        warped_label: the same shape.
        spacing: voxel size along each axis, mm.
        labels: which labels; by default all but 0 that occur in either map.

    Returns:
        Distance in mm by label; NaN where the label is missing from one of the maps or both.

    Raises:
        ValueError: if the shapes differ, a map holds negative or fractional values, or the spacing does not fit.
    """
    return _per_label("average_surface_distance_per_label", _pooled_mean, fixed_label, warped_label, spacing, labels)


class LabelHausdorffDistance95(MeanMetric):
    """95th percentile surface distance of label maps `(B, 1, *spatial)`, collected as `(B, len(labels))`, mm.

    Args:
        labels: which labels.
        spacing: voxel size along each axis, mm.
        reduction: see `MeanMetric`.
    """

    def __init__(self, labels: Sequence[int], spacing: Sequence[float], reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.labels = list(labels)
        self.spacing = tuple(spacing)

    def _compute_tensor(self, y_pred: Tensor, y: Tensor | None = None, **_: Any) -> Tensor:
        fixed, warped = as_label_pair("LabelHausdorffDistance95", y, y_pred)
        rows = [
            hausdorff_distance_95_per_label(f[0], w[0], self.spacing, self.labels)
            for f, w in zip(fixed, warped, strict=True)
        ]
        return torch.tensor([list(row.values()) for row in rows], dtype=torch.float64)


def _per_label(
    function: str,
    summary: Summary,
    fixed_label: Any,
    warped_label: Any,
    spacing: Sequence[float],
    labels: Sequence[int] | None,
) -> dict[int, float]:
    fixed, warped = as_label_pair(function, fixed_label, warped_label)
    if len(spacing) != fixed.ndim or min(spacing) <= 0:
        raise ValueError(f"{function}() expects 'spacing' of {fixed.ndim} positive lengths, got {tuple(spacing)}.")
    boxes = [find_objects(label_map.cpu().numpy()) for label_map in (fixed, warped)]
    found = {}
    for label in wanted_labels(labels, fixed, warped):
        box = _union(*[each[label - 1] if 0 < label <= len(each) else None for each in boxes])
        found[label] = float("nan")
        if box is not None:
            fixed_mask, warped_mask = ((label_map[box] == label).cpu().numpy() for label_map in (fixed, warped))
            found[label] = summary(_distances(fixed_mask, warped_mask, spacing))
    return found


def _union(first: tuple[slice, ...] | None, second: tuple[slice, ...] | None) -> tuple[slice, ...] | None:
    """Smallest box that holds both; none where one is missing."""
    if first is None or second is None:
        return None
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))


def _distances(first: NDArray, second: NDArray, spacing: Sequence[float]) -> list[NDArray]:
    """From every surface voxel of one mask to the surface of the other, both ways, mm."""
    edges = get_mask_edges(first, second, crop=False)
    lengths = [float(length) for length in spacing]
    return [np.asarray(get_surface_distance(edges[i], edges[1 - i], spacing=lengths), dtype=np.float64) for i in (0, 1)]


def _largest_percentile(distances: list[NDArray]) -> float:
    return float(max(np.percentile(one_way, 95) for one_way in distances))


def _pooled_mean(distances: list[NDArray]) -> float:
    return float(np.concatenate(distances).mean())
