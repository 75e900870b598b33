"""All that can be measured of a registration from what was given."""

import json
import math
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from common.io import Field, Points, grid_of
from common.metrics import (
    dice_per_label,
    jacobian_summary,
    normalized_mutual_information,
    surface_distance_per_label,
    target_registration_error,
)
from common.spatial import displacement_from_world
from common.transforms.warp import field_of, move_points

OF_GUIDE = {"labels": ("dice", "hd95_mm"), "keypoints": ("tre_mm",)}
FOLDING = ("folding_percent", "folding_inside_percent", "sdlogj")


class MeasureRegistrationd(Transform):
    """Measure a registered pair before (as the headers have it) and after, see `WarpToFixedd`.

    Adds ``metrics``: ``start`` (why the pre-alignment is what it is), ``folding_percent``, ``sdlogj``; with scans
    ``similarity``; with a label map of the fixed scan, or a mask of it, ``folding_inside_percent``, within them; with
    both label maps ``dice`` and ``hd95_mm`` over the labels that both scans have, with both sets of key points
    ``tre_mm``, with those of the moving scan ``warped_keypoints``: how many, and the names of those that are undefined.
    What cannot be computed is None. What is measured of labels or points that guided the registration has ``guided``:
    it tells how well that followed them, not how well it finds its way.
    """

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Measure."""
        field = field_of(data["displacement_field"])
        metrics: dict[str, Any] = {"start": json.loads(data["start"])} if "start" in data else {}
        if "fixed_label" in data and "moving_label" in data:
            metrics |= _measure_labels(data)
        if "fixed_keypoints" in data and "moving_keypoints" in data:
            metrics |= _measure_points(data, field)
        if "warped_keypoints" in data:
            warped = Points(torch.as_tensor(data["warped_keypoints"]), tuple(data.get("moving_keypoints_labels", ())))
            metrics["warped_keypoints"] = {"count": len(warped.positions), "undefined": warped.undefined}
        if "fixed_image" in data:
            metrics["similarity"] = _measure_images(data)
        inside = data.get("fixed_label", data.get("fixed_mask"))
        mask = None if inside is None else inside.as_tensor()[None] > 0
        summary = jacobian_summary(displacement_from_world(field.displacement, field.grid.affine), mask)
        metrics |= {name: _number(summary[name]) for name in FOLDING if name in summary}
        return {**data, "metrics": _mark(metrics, data.get("guided_by", ""))}


def _mark(metrics: dict[str, Any], guided_by: str) -> dict[str, Any]:
    """Say of what has guided that it did."""
    for guide in filter(None, guided_by.split(",")):
        metrics |= {name: {**metrics[name], "guided": True} for name in OF_GUIDE[guide] if name in metrics}
    return metrics


def _measure_images(data: Mapping[Any, Any]) -> dict[str, Any]:
    fixed = data["fixed_image"].as_tensor()
    moments = {"before": data["unaligned_image"], "after": data["warped_image"]}
    values = {moment: normalized_mutual_information(fixed, image.as_tensor()) for moment, image in moments.items()}
    return {moment: _number(value) for moment, value in values.items()} | {"name": "normalized mutual information"}


def _measure_labels(data: Mapping[Any, Any]) -> dict[str, Any]:
    fixed, moving = data["fixed_label"].as_tensor(), data["moving_label"].as_tensor()
    labels = sorted((set(fixed.unique().tolist()) & set(moving.unique().tolist())) - {0})
    spacing = grid_of(data["fixed_label"]).spacing.tolist()
    moments: dict[str, MetaTensor] = {"before": data["unaligned_label"], "after": data["warped_label"]}
    dice, distance = {}, {}
    for moment, label in moments.items():
        dice[moment] = dice_per_label(label.as_tensor()[0], fixed[0], labels)
        distance[moment] = surface_distance_per_label(label.as_tensor()[0], fixed[0], spacing, labels)
    return {"dice": _table(dice), "hd95_mm": _table(distance)}


def _table(moments: Mapping[str, Mapping[int, float]]) -> dict[str, Any]:
    means = {moment: _mean(list(values.values())) for moment, values in moments.items()}
    labels = moments["after"]
    return means | {
        "per_label": {
            str(label): {moment: _number(values[label]) for moment, values in moments.items()} for label in labels
        }
    }


def _measure_points(data: Mapping[Any, Any], field: Field) -> dict[str, Any]:
    """Means are over the points that both scans have and the field reaches; of the others the figures are None."""
    fixed, moving = (torch.as_tensor(data[f"{side}_keypoints"]).double() for side in ("fixed", "moving"))
    after = target_registration_error(move_points(fixed, field), moving).tolist()
    known = zip(target_registration_error(fixed, moving).tolist(), after, strict=True)
    before = [error if math.isfinite(moved) else math.nan for error, moved in known]
    if not any(map(math.isfinite, after)):
        return {}
    per_point: list[dict[str, Any]] = [
        {"before": _number(b), "after": _number(a)} for b, a in zip(before, after, strict=True)
    ]
    for point, name in zip(per_point, data.get("fixed_keypoints_labels", ()), strict=False):
        point["name"] = name
    return {"tre_mm": {"before": _mean(before), "after": _mean(after), "per_point": per_point}}


def _mean(values: list[float]) -> float | None:
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else None


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
