"""Distances between the surfaces of labels over many cases."""

from typing import Any

import pytest
import torch
from monai.data import MetaTensor
from torch import Tensor

from common.metrics import LabelSurfaceDistance

SPACING = (1.0, 1.5, 2.0)
MEASURES = ["hausdorff_95", "percentile_95", "average"]


def point() -> Tensor:
    label = torch.zeros(1, 14, 15, 16, dtype=torch.uint8)
    label[:, 4, 4, 4] = 1
    return label


@pytest.mark.parametrize("measure", MEASURES)
def test_distance_collects_cases(measure: str) -> None:
    fixed = point()
    metric = LabelSurfaceDistance(labels=[1, 2], spacing=SPACING, measure=measure)
    scores: Any = metric(y_pred=torch.stack([fixed.roll(2, 3), fixed.roll(1, 1)]), y=torch.stack([fixed, fixed]))
    assert scores[:, 0].tolist() == [4.0, 1.0]
    assert scores[:, 1].isnan().all()
    assert metric.aggregate().item() == pytest.approx(2.5)


def test_distances_differ_as_their_definitions() -> None:
    """A point against a line of three pixels of 2 mm: 0 one way; 0, 2 and 4 the other."""
    fixed, warped = torch.zeros(2, 1, 1, 3, 5)
    fixed[..., 1, 0], warped[..., 1, :3] = 1, 1
    metrics = [LabelSurfaceDistance([1], (1.0, 2.0), measure) for measure in MEASURES]
    found: list[Any] = [metric(y_pred=warped, y=fixed) for metric in metrics]
    assert [score.item() for score in found] == pytest.approx([3.8, 3.7, 1.5])


def test_distance_takes_planar_meta_tensors_one_by_one() -> None:
    label = torch.zeros(1, 6, 7)
    label[0, 2:4, 2:5] = 1
    metric = LabelSurfaceDistance([1], (1.25, 1.0), "percentile_95")
    for shift in (0, 1, 2):
        metric(y_pred=[MetaTensor(label.roll(shift, 1))], y=[MetaTensor(label)])
    assert metric.aggregate("none").flatten().tolist() == [0.0, 1.25, 2.5]


def test_distance_names_the_metric_that_cannot_compare() -> None:
    with pytest.raises(ValueError, match=r"LabelSurfaceDistance\(\) expects 'warped_label' of shape"):
        LabelSurfaceDistance([1], SPACING)(y_pred=point()[None, ..., 1:], y=point()[None])
