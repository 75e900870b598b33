"""What is measured of a pair, by hand."""

import json
from typing import Any

import pytest
import torch
from monai.data import MetaTensor

from common.transforms import MeasureRegistrationd, WarpToFixedd

AFFINE = torch.diag(torch.tensor([-1.0, -1.0, 2.0, 1.0])).double()  # LPS axes
SHAPE = (9, 8, 10)
SHIFT = 2  # voxels along the first axis: the moving scan is the fixed one, two voxels further on


def meta(tensor: torch.Tensor) -> MetaTensor:
    return MetaTensor(tensor, affine=AFFINE)


def block(first: int) -> torch.Tensor:
    """Label 1 in two layers, label 2 in one behind them."""
    label = torch.zeros(1, *SHAPE, dtype=torch.int32)
    label[:, first : first + 2, 2:6, 2:6] = 1
    label[:, first + 2, 2:6, 2:6] = 2
    return label


def pair(shift: float = SHIFT) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    moving = torch.rand(1, *SHAPE, generator=generator)
    field = torch.zeros(3, *SHAPE)
    field[0] = shift
    return {
        "fixed_image": meta(torch.cat([moving[:, SHIFT:], moving[:, -1:].expand(-1, SHIFT, -1, -1)], dim=1)),
        "moving_image": meta(moving),
        "fixed_label": meta(block(2)),
        "moving_label": meta(block(2 + SHIFT)),
        "fixed_keypoints": torch.tensor([[2.0, 3, 4], [3.0, 3, 8]]).double(),
        "moving_keypoints": torch.tensor([[4.0, 3, 4], [5.0, 3, 9]]).double(),
        "displacement_field": meta(field),
    }


def measure(data: dict[str, Any]) -> dict[Any, Any]:
    warped = WarpToFixedd(("moving_image", "moving_label"), unaligned=True)(data)
    return MeasureRegistrationd()(warped)


def test_measure_registration_of_labels_by_hand() -> None:
    metrics = measure(pair())["metrics"]
    assert metrics["dice"]["before"] == pytest.approx((0 + 0) / 2)
    assert metrics["dice"]["after"] == 1
    assert metrics["dice"]["per_label"] == {"1": {"before": 0, "after": 1}, "2": {"before": 0, "after": 1}}
    assert metrics["hd95_mm"]["before"] == pytest.approx(SHIFT, abs=0.01)
    assert metrics["hd95_mm"]["after"] == 0


def test_measure_registration_of_points_by_hand() -> None:
    tre = measure(pair())["metrics"]["tre_mm"]
    assert tre["before"] == pytest.approx((2 + 5**0.5) / 2)
    assert tre["after"] == pytest.approx((0 + 1) / 2, abs=1e-6)
    assert [round(point["after"], 5) for point in tre["per_point"]] == [0, 1]


def test_measure_registration_names_the_points() -> None:
    tre = measure({**pair(), "fixed_keypoints_labels": ("carina", "apex")})["metrics"]["tre_mm"]
    assert [point["name"] for point in tre["per_point"]] == ["carina", "apex"]


def test_measure_registration_leaves_undefined_points_out() -> None:
    """The second is not defined in the moving scan, the third lies beyond the fixed one."""
    data = pair()
    data["fixed_keypoints"] = torch.tensor([[2.0, 3, 4], [3.0, 3, 8], [99.0, 3, 8]]).double()
    data["moving_keypoints"] = torch.tensor([[4.0, 3, 4], [torch.nan] * 3, [5.0, 3, 9]]).double()
    data["moving_keypoints_labels"] = ("a", "b", "c")
    warped = WarpToFixedd(("moving_image", "moving_label", "moving_keypoints"), unaligned=True)(data)
    metrics = MeasureRegistrationd()(warped)["metrics"]
    assert metrics["tre_mm"]["before"] == pytest.approx(2)
    assert metrics["tre_mm"]["after"] == pytest.approx(0, abs=1e-6)
    assert metrics["tre_mm"]["per_point"][1:] == [{"before": None, "after": None}] * 2
    assert metrics["warped_keypoints"] == {"count": 3, "undefined": ["b"]}
    json.dumps(metrics, allow_nan=False)


def test_measure_registration_without_a_common_point_has_no_error_of_them() -> None:
    data = pair()
    data["moving_keypoints"] = torch.full((2, 3), torch.nan).double()
    assert "tre_mm" not in measure(data)["metrics"]


def test_measure_registration_of_images() -> None:
    similarity = measure(pair())["metrics"]["similarity"]
    assert similarity["name"] == "normalized mutual information"
    assert similarity["before"] < 1.2
    assert similarity["after"] > similarity["before"] + 0.2


def test_measure_registration_of_a_constant_field_is_regular() -> None:
    metrics = measure(pair())["metrics"]
    assert metrics["folding_percent"] == 0
    assert metrics["sdlogj"] == pytest.approx(0, abs=1e-6)


def test_measure_registration_sees_folding() -> None:
    data = pair()
    data["displacement_field"] = meta(-2.0 * torch.arange(9.0).view(1, 9, 1, 1).expand(3, *SHAPE).clone())
    assert measure(data)["metrics"]["folding_percent"] == 100


@pytest.mark.parametrize(("key", "other"), [("fixed_label", "fixed_mask"), ("fixed_mask", "fixed_label")])
def test_measure_registration_sees_folding_inside(key: str, other: str) -> None:
    """Folds along the first axis up to its fifth voxel; the labels reach from its third to its fifth."""
    data = pair()
    data["displacement_field"] = meta(-2.0 * torch.arange(9.0).clamp(max=4).view(1, 9, 1, 1).expand(3, *SHAPE).clone())
    data[key] = data.pop("fixed_label")
    data.pop(other, None)
    metrics = measure(data)["metrics"]
    assert metrics["folding_percent"] < 100
    assert metrics["folding_inside_percent"] == 100


def test_measure_registration_of_the_identity_changes_nothing() -> None:
    done = measure(pair(shift=0))
    for name in ("dice", "hd95_mm", "tre_mm", "similarity"):
        assert done["metrics"][name]["before"] == pytest.approx(done["metrics"][name]["after"])
    assert torch.equal(done["unaligned_image"].as_tensor(), done["warped_image"].as_tensor())
    assert torch.equal(done["unaligned_label"].as_tensor(), done["warped_label"].as_tensor())


def test_measure_registration_measures_only_what_was_given() -> None:
    data = pair()
    for key in ("fixed_label", "moving_keypoints"):
        del data[key]
    done = measure(data)
    assert set(done["metrics"]) == {"similarity", "folding_percent", "sdlogj"}


def test_measure_registration_leaves_out_labels_of_one_scan_alone() -> None:
    data = pair()
    data["moving_label"][data["moving_label"] == 2] = 7
    metrics = measure(data)["metrics"]
    assert list(metrics["dice"]["per_label"]) == list(metrics["hd95_mm"]["per_label"]) == ["1"]


def test_measure_registration_without_a_common_label_has_no_mean() -> None:
    data = pair()
    data["moving_label"] = data["moving_label"] * 10
    metrics = measure(data)["metrics"]
    assert metrics["dice"] == metrics["hd95_mm"] == {"before": None, "after": None, "per_label": {}}


def test_measure_registration_has_none_where_nothing_can_be_computed() -> None:
    """Far apart before: the unaligned scan is constant and its label map empty."""
    data = pair()
    far = AFFINE.clone()
    far[0, 3] = 500
    for key in ("moving_image", "moving_label"):
        data[key] = MetaTensor(data[key].as_tensor(), affine=far)
    data["displacement_field"] = meta(
        torch.cat([data["displacement_field"][:1].as_tensor() - 500, data["displacement_field"][1:].as_tensor()])
    )
    metrics = measure(data)["metrics"]
    assert metrics["similarity"]["before"] is None
    assert metrics["similarity"]["after"] > 1.2
    assert metrics["hd95_mm"]["before"] is None
    assert metrics["dice"]["before"] == 0
    assert metrics["dice"]["after"] == 1


def test_measure_registration_keeps_the_record_of_the_start() -> None:
    record = {"taken": "headers", "likeness": {"headers": 0.5}, "warnings": []}
    assert measure({**pair(), "start": json.dumps(record)})["metrics"]["start"] == record
    assert "start" not in measure(pair())["metrics"]
