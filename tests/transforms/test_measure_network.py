"""What a network alone would have given."""

import torch

from common.transforms import MeasureNetworkd


def measured(data: dict) -> dict:
    """As the steps of a registration do, from the first field."""
    value = float(data["pred"][0].mean())
    return {**data, "metrics": {"dice": {"before": 0.0, "after": value}, "sdlogj": value, "start": {"taken": "none"}}}


def test_the_second_field_is_measured_as_well() -> None:
    pred = torch.cat([torch.full((3, 4, 4, 4), 0.75), torch.full((3, 4, 4, 4), 0.5)])
    data = MeasureNetworkd([measured])(measured({"pred": pred}))
    assert data["metrics"]["network_alone"] == {"dice": 0.5, "sdlogj": 0.5}
    assert data["metrics"]["dice"]["after"] == 0.75
    assert data["pred"] is pred


def test_an_answer_alone_is_not_measured_twice() -> None:
    data = {"pred": torch.zeros(2, 4, 4), "metrics": {}}
    assert MeasureNetworkd([measured])(data) == data
