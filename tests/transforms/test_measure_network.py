"""What a network alone would have given."""

from typing import Any

import torch

from common.transforms import MeasureNetworkd


def measured(data: dict) -> dict:
    """As the steps of a registration do, from a field and its refinement."""
    value = float(data["pred"].mean() + data.get("refinement", torch.zeros(1)).mean())
    return {**data, "metrics": {"dice": {"before": 0.0, "after": value}, "sdlogj": value, "start": {"taken": "none"}}}


def test_the_field_of_the_network_is_measured_as_well() -> None:
    refined: dict[str, Any] = {"pred": torch.full((3, 4, 4, 4), 0.5), "refinement": torch.full((3, 8, 8, 8), 0.25)}
    data = MeasureNetworkd([measured])(measured(refined))
    assert data["metrics"]["network_alone"] == {"dice": 0.5, "sdlogj": 0.5}
    assert data["metrics"]["dice"]["after"] == 0.75
    assert data["refinement"] is refined["refinement"]


def test_an_answer_alone_is_not_measured_twice() -> None:
    data = {"pred": torch.zeros(2, 4, 4), "metrics": {}}
    assert MeasureNetworkd([measured])(data) == data
