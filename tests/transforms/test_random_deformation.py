from typing import Any

import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, Randomizable

from common.spatial import RandomSpline, warp
from common.transforms import RandDeformedPaird, RandSplineDeformd

SPLINES = [RandomSpline(3, 0.1, interpolating=False), RandomSpline(2, 0.05)]


@pytest.fixture
def case() -> dict[str, Any]:
    places = torch.stack(torch.meshgrid(*[torch.arange(n) * 1.0 for n in (20, 18, 22)], indexing="ij"))
    return {"image": MetaTensor(places[:1]), "label": (places[:1] > 9).to(torch.uint8), "name": "a"}


def seeded(transform: Randomizable, seed: int) -> Any:
    """MONAI says that what it gives back cannot be called."""
    return transform.set_random_state(seed)


def test_images_and_labels_are_deformed_together(case: dict) -> None:
    deform = seeded(RandSplineDeformd("image", SPLINES, ("label", "mask"), fill=0.0), 3)
    deformed = deform(case)
    assert deformed["label"].dtype == torch.uint8
    moved = (deformed["image"] - case["image"]).abs()
    assert moved.max() > 0.5
    clear = (deformed["image"] - 9.5).abs() > 0.51  # further from the border of the label than a neighbor
    assert bool(((deformed["image"] > 9.5) == (deformed["label"] > 0))[clear].all())
    assert deformed["name"] == "a"
    assert "mask" not in deformed


def test_state_decides_what_is_drawn(case: dict) -> None:
    deform = Compose([RandSplineDeformd("image", SPLINES)])
    one, next_one = (deform.set_random_state(1)(case)["image"], deform(case)["image"])
    assert torch.equal(deform.set_random_state(1)(case)["image"], one)
    assert not torch.equal(next_one, one)


def test_probability(case: dict) -> None:
    deform = seeded(RandSplineDeformd("image", SPLINES, prob=0.5), 0)
    still = [torch.equal(deform(case)["image"], case["image"]) for _ in range(20)]
    assert 4 <= sum(still) <= 16


def test_beyond_the_field_of_view_is_fill(case: dict) -> None:
    far = [RandomSpline(2, 3.0, interpolating=False)]
    assert seeded(RandSplineDeformd("image", far, fill=-7.0), 0)(case)["image"].min() == -7
    assert seeded(RandSplineDeformd("image", far), 0)(case)["image"].min() >= 0


def test_pair_has_the_field_between_its_scans(case: dict) -> None:
    case |= {"mask": torch.ones(1, 20, 18, 22)}
    pair = seeded(RandDeformedPaird("image", SPLINES[1:], SPLINES), 0)(case)
    assert pair["known_ddf"].shape == (3, 20, 18, 22)
    assert pair["fixed_mask"].shape == (1, 20, 18, 22)
    inner = (..., slice(5, -5), slice(5, -5), slice(5, -5))
    warped = warp(pair["moving_image"][None], pair["known_ddf"][None])[0]
    assert (warped - pair["fixed_image"])[inner].abs().max() < 0.1
    assert (pair["moving_image"] - pair["fixed_image"])[inner].abs().max() > 0.5


def test_pair_has_the_size_that_is_asked_for(case: dict) -> None:
    pair = seeded(RandDeformedPaird("image", SPLINES, SPLINES, (10, 9, 11)), 0)(case)
    assert pair["fixed_image"].shape == pair["moving_image"].shape == (1, 10, 9, 11)


def test_wrong_arguments_raise() -> None:
    with pytest.raises(ValueError, match=r"expects 'splines' of one or more, got none"):
        RandSplineDeformd("image", [])
    with pytest.raises(ValueError, match=r"expects 'keys' of one scan, got a, b"):
        RandDeformedPaird(("a", "b"), SPLINES, SPLINES)
