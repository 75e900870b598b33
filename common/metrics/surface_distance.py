"""Distances between the surfaces of labels, in mm.

MONAI measures masks; here every label of a label map is handed to it within its own bounding box, which makes many
labels on a large volume quick, and no map is expanded to one channel per label. Its `compute_hausdorff_distance` would
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

from common.spatial.checks import check_choice

from ._label_maps import as_label_pair, numbered, wanted_labels

Box = tuple[slice, ...] | None

PERCENTILE = 95


def surface_distance_per_label(
    warped_label: Any,
    fixed_label: Any,
    spacing: Sequence[float],
    labels: Sequence[int] | None = None,
    measure: str = "hausdorff_95",
) -> dict[int, float]:
    """Compute how far the surfaces of every label are apart.

    Args:
        warped_label: label map, `(*spatial)`, 2-D or 3-D, whole numbers; tensor or array.
        fixed_label: the same shape.
        spacing: voxel size along each axis, mm.
        labels: which labels; by default all but 0 that occur in either map.
        measure: "hausdorff_95", the 95th percentile of the distances from one surface to the other, the larger of both
            directions: surface voxels count alike, tools that weight them by area differ by up to about a voxel;
            "robust_hausdorff_95", the same by area, as the Learn2Reg challenge and paper 001 have it: surface elements
            lie between voxels; "percentile_95", of both directions pooled, which does not notice what one map has in
            excess where the other has the longer surface; or "average", the mean of both directions pooled.

    Returns:
        Distance in mm by label; NaN where the label is missing from one of the maps or both.

    Raises:
        ValueError: if the shapes differ, a map holds negative or fractional values, the spacing does not fit, or there
            is no such measure.

    Reference:
        Nikolov et al., "Clinically applicable segmentation of head and neck anatomy for radiotherapy", JMIR 2021,
        https://doi.org/10.2196/26151 -- the surface elements; MONAI has their table.

    Example:
        >>> surface_distance_per_label([[0, 0, 1], [0, 0, 2]], [[1, 0, 0], [0, 0, 2]], (1.0, 2.5))
        {1: 5.0, 2: 0.0}
        >>> surface_distance_per_label([[1, 1, 1, 1]], [[1, 0, 0, 0]], (1.0, 2.0), measure="percentile_95")
        {1: 5.6}
    """
    function = "surface_distance_per_label"
    check_choice(function, "measure", measure, [*MEASURES])
    warped, fixed = as_label_pair(function, warped_label, fixed_label)
    if len(spacing) != fixed.ndim or min(spacing) <= 0:
        raise ValueError(f"{function}() expects 'spacing' of {fixed.ndim} positive lengths, got {tuple(spacing)}.")
    warped, fixed = _labelled(warped, fixed)
    labels = wanted_labels(labels, fixed, warped)
    numbers, small = numbered(labels, fixed, warped)
    maps = [label_map.cpu().numpy() for label_map in small]
    boxes = [dict(enumerate(find_objects(label_map), start=1)) for label_map in maps]
    found = {}
    for label, number in zip(labels, numbers, strict=True):
        box = _union(*(each.get(number) for each in boxes))
        found[label] = float("nan")
        if box is not None:
            found[label] = MEASURES[measure](maps[0][box] == number, maps[1][box] == number, spacing)
    return found


def _labelled(*label_maps: Tensor) -> list[Tensor]:
    """The box of both maps in which anything is labelled, often a small part of them; all where nothing is."""
    some = torch.stack([label_map != 0 for label_map in label_maps]).any(dim=0)
    boxes = find_objects(some.cpu().numpy().view(np.uint8))
    return [label_map[boxes[0]] if boxes else label_map for label_map in label_maps]


def _union(first: Box, second: Box) -> Box:
    """Smallest box that holds both; none where one is missing."""
    if first is None or second is None:
        return None
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))


def _distances(first: NDArray, second: NDArray, spacing: Sequence[float]) -> list[NDArray]:
    """From every surface voxel of one mask to the surface of the other, both ways, mm."""
    edges = get_mask_edges(first, second, crop=False)
    lengths = [float(length) for length in spacing]
    return [np.asarray(get_surface_distance(edges[i], edges[1 - i], spacing=lengths), dtype=np.float64) for i in (0, 1)]


def _largest_percentile(first: NDArray, second: NDArray, spacing: Sequence[float]) -> float:
    return float(max(np.percentile(one_way, PERCENTILE) for one_way in _distances(first, second, spacing)))


def _pooled_mean(first: NDArray, second: NDArray, spacing: Sequence[float]) -> float:
    return float(np.concatenate(_distances(first, second, spacing)).mean())


def _pooled_percentile(first: NDArray, second: NDArray, spacing: Sequence[float]) -> float:
    return float(np.percentile(np.concatenate(_distances(first, second, spacing)), PERCENTILE))


def _percentile_by_area(first: NDArray, second: NDArray, spacing: Sequence[float]) -> float:
    lengths = [float(length) for length in spacing]
    masks = [torch.from_numpy(np.pad(mask, 1)) for mask in (first, second)]  # elements lie between voxels
    elements: Any = get_mask_edges(masks[0], masks[1], crop=False, spacing=lengths)
    elements = [element.numpy() for element in elements]  # few numbers, for which NumPy starts sooner
    surfaces, areas = elements[:2], elements[2:]
    percentiles = []
    for surface, other, area in zip(surfaces, surfaces[::-1], areas, strict=True):
        distance = np.asarray(get_surface_distance(surface, other, spacing=lengths))
        order = distance.argsort()
        share = area[surface][order].cumsum(dtype=np.float64)
        percentiles.append(distance[order][np.searchsorted(share, share[-1] * PERCENTILE / 100)])
    return float(max(percentiles))


MEASURES: dict[str, Callable[[NDArray, NDArray, Sequence[float]], float]] = {
    "hausdorff_95": _largest_percentile,
    "robust_hausdorff_95": _percentile_by_area,
    "percentile_95": _pooled_percentile,
    "average": _pooled_mean,
}
