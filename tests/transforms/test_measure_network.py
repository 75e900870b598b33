"""What a network alone would have given."""

from typing import Any

import torch

from common.transforms import MeasureNetworkd


def measured(data: dict) -> dict:
    """As the steps of a registration do, from a field on its grid."""
    value = float(data["pred"].mean()) * data["image"]
    return {**data, "metrics": {"dice": {"before": 0.0, "after": value}, "sdlogj": value, "start": {"taken": "none"}}}


def test_the_field_of_the_network_is_measured_as_well_on_its_own_grid() -> None:
    refined: dict[str, Any] = {"pred": torch.full((3, 4, 4, 4), 0.75), "image": 1}
    data = MeasureNetworkd([measured])(
        measured({**refined, "network_pred": torch.full((3, 2, 2, 2), 0.25), "network_image": 2})
    )
    assert data["metrics"]["network_alone"] == {"dice": 0.5, "sdlogj": 0.5}
    assert data["metrics"]["dice"]["after"] == 0.75
    assert data["pred"] is refined["pred"]


def test_an_answer_alone_is_not_measured_twice() -> None:
    data = {"pred": torch.zeros(2, 4, 4), "metrics": {}}
    assert MeasureNetworkd([measured])(data) == data
