"""The metrics of a registration by their names, as MONAI's engines take them.

MONAI's metrics know a prediction and a target; what either is of a pair, a metric's name tells.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from monai.handlers import IgniteMetricHandler
from monai.utils import CommonKeys
from torch import Tensor

from common.io import InputError
from common.losses import NormalizedCrossCorrelation
from common.metrics import (
    FoldingPercent,
    LabelDice,
    LabelJaccard,
    LabelSurfaceDistance,
    SDLogJ,
)

from .batch import moving_and_fixed_label, predicted_ddf, warped_and_fixed_image, warped_and_fixed_label

FIELD: dict[str, Callable[[], Any]] = {"folding_percent": FoldingPercent, "sdlogj": SDLogJ}
OVERLAP: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "dice": (LabelDice, warped_and_fixed_label),
    "dice_before": (LabelDice, moving_and_fixed_label),
    "jaccard": (LabelJaccard, warped_and_fixed_label),
    "jaccard_before": (LabelJaccard, moving_and_fixed_label),
}
KNOWN = ("tre_mm", "tre_before_mm")
DISTANCES = {"hd95_mm": "hausdorff_95", "sd95_mm": "percentile_95", "mad_mm": "average"}
IMAGES = ("ncc", "similarity")
NAMES = (*OVERLAP, *KNOWN, *DISTANCES, *FIELD, *IMAGES)

Comparison = Callable[[Tensor, Tensor], Tensor]


def registration_metrics(
    names: Sequence[str],
    labels: Sequence[int] = (),
    spacing: Sequence[float] = (),
    similarity: Comparison | None = None,
) -> dict[str, IgniteMetricHandler]:
    """Build metrics for an engine with `prepare_pair_batch` and without decollation.

    Args:
        names: "dice" and "jaccard", "dice_before" and "jaccard_before" (without the registration), "tre_mm" and
            "tre_before_mm" (mean distance from `known_ddf`, where `fixed_mask` is), "hd95_mm", "sd95_mm" and "mad_mm"
            (distances of surfaces), "folding_percent", "sdlogj", "ncc" (correlation of the images), "similarity" (the
            loss between them).
        labels: values of the labels that are compared.
        spacing: voxel size, mm, for distances.
        similarity: of the warped and the fixed image.

    Returns:
        Handlers by the names, in their order.

    Raises:
        InputError: if a name is unknown, what its metric needs is missing, or the spacing is a single number.
    """
    if not isinstance(spacing, Sequence):
        raise InputError(f"In training spacing is expected to be a number in mm for each axis, got {spacing}.")
    return {name: _metric(name, labels, spacing, similarity) for name in names}


def _metric(
    name: str, labels: Sequence[int], spacing: Sequence[float], similarity: Comparison | None
) -> IgniteMetricHandler:
    needs = {
        "labels": name in (*OVERLAP, *DISTANCES),
        "spacing": name in (*DISTANCES, *KNOWN),
        "similarity": name == "similarity",
    }
    given = {"labels": len(labels), "spacing": len(spacing), "similarity": similarity is not None}
    if missing := [argument for argument, needed in needs.items() if needed and not given[argument]]:
        raise InputError(f"registration_metrics() expects '{missing[0]}' for {name}, got none.")
    if name in OVERLAP:
        overlap, compared = OVERLAP[name]
        return IgniteMetricHandler(overlap(labels), output_transform=compared)
    if name in DISTANCES:
        distance = LabelSurfaceDistance(labels, spacing, DISTANCES[name])
        return IgniteMetricHandler(distance, output_transform=warped_and_fixed_label)
    if name in KNOWN:
        mean: Any = _masked_mean
        registered = partial(_known_distance, spacing=spacing, share=float(name == KNOWN[0]))
        return IgniteMetricHandler(loss_fn=mean, output_transform=registered)
    if name in FIELD:
        return IgniteMetricHandler(FIELD[name](), output_transform=predicted_ddf)
    if name in IMAGES:
        comparison: Any = similarity if name == "similarity" else _correlation
        return IgniteMetricHandler(loss_fn=comparison, output_transform=warped_and_fixed_image)
    raise InputError(f"registration_metrics() expects names out of {', '.join(NAMES)}, got {name}.")


def _known_distance(output: Mapping[str, Any], spacing: Sequence[float], share: float) -> tuple[Tensor, Tensor]:
    """Distance in mm that a share of the prediction leaves from the known field, and where it counts."""
    batch, ddf = output[CommonKeys.LABEL], predicted_ddf(output)[0]
    steps = torch.as_tensor(spacing).to(ddf).view(-1, *[1] * (ddf.ndim - 2))
    return ((share * ddf - batch["known_ddf"]) * steps).norm(dim=1, keepdim=True), batch["fixed_mask"]


def _masked_mean(distance: Tensor, mask: Tensor) -> Tensor:
    return (distance * mask).sum() / mask.sum().clamp(min=1)


def _correlation(warped: Tensor, fixed: Tensor) -> Tensor:
    return -NormalizedCrossCorrelation()(warped, fixed)
