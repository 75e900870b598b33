from typing import Any

import pytest
import torch
from ignite.engine import Engine
from torch import nn

from common.engines import registration_metrics
from common.engines.pair_metrics import NAMES
from common.io import InputError
from common.losses import NormalizedCrossCorrelation

IMAGES = torch.rand(2, 1, 1, 8, 9, 10, generator=torch.Generator().manual_seed(0))
LABEL = torch.zeros(1, 1, 8, 9, 10, dtype=torch.int64)
LABEL[..., 2:6, 3:7, 3:7] = 2
OUTPUT = {
    "pred": torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1, 1).expand(1, 3, 8, 9, 10),
    "label": {
        "fixed_image": IMAGES[0],
        "moving_image": IMAGES[1],
        "fixed_label": LABEL,
        "moving_label": LABEL.roll(1, dims=2),
        "known_ddf": torch.tensor([1.0, 2, 2]).view(1, 3, 1, 1, 1).expand(1, 3, 8, 9, 10) * (LABEL > 0),
        "fixed_mask": (LABEL > 0).float(),
    },
}


def measure(*names: str, **options: Any) -> dict[str, float]:
    engine = Engine(lambda *_: OUTPUT)
    for name, metric in registration_metrics(names, **options).items():
        metric.attach(engine, name)
    engine.run([0])
    return {name: float(value) for name, value in engine.state.metrics.items()}


def test_every_metric_compares_what_its_name_says() -> None:
    values = measure(*NAMES, labels=[2], spacing=(1.0, 1.0, 2.0), similarity=nn.MSELoss())
    assert list(values) == list(NAMES)
    assert values["dice"] == 1
    assert values["dice_before"] == pytest.approx(0.75)
    assert values["jaccard"] == 1
    assert values["jaccard_before"] == pytest.approx(0.6)
    assert values["tre_mm"] == pytest.approx((2**2 + 4**2) ** 0.5)
    assert values["tre_before_mm"] == pytest.approx((1 + 2**2 + 4**2) ** 0.5)
    assert values["hd95_mm"] == values["sd95_mm"] == values["mad_mm"] == 0
    assert values["folding_percent"] == 0
    assert values["sdlogj"] == pytest.approx(0, abs=1e-6)
    warped = torch.cat([IMAGES[1][:, :, 1:], torch.zeros(1, 1, 1, 9, 10)], dim=2)
    assert values["similarity"] == pytest.approx(nn.MSELoss()(warped, IMAGES[0]).item())
    assert values["ncc"] == pytest.approx(-NormalizedCrossCorrelation()(warped, IMAGES[0]).item(), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("accuracy", {}, "expects names out of dice, dice_before, jaccard, .*, got accuracy"),
        ("tre_mm", {}, "expects 'spacing' for tre_mm, got none"),
        ("dice", {}, "expects 'labels' for dice, got none"),
        ("hd95_mm", {"labels": [1]}, "expects 'spacing' for hd95_mm, got none"),
        ("similarity", {}, "expects 'similarity' for similarity, got none"),
    ],
)
def test_what_is_missing_is_told(name: str, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        registration_metrics([name], **options)


def test_one_number_is_no_spacing_of_a_training() -> None:
    number: Any = 2.0
    with pytest.raises(InputError, match=r"^In training spacing is expected .* for each axis, got 2\.0"):
        registration_metrics(["dice"], [1], number)
