"""The error at landmarks of a registered pair of clouds, of an affine motion, which the spline reproduces."""

import pytest
import torch
from ignite.engine import Engine
from monai.utils import CommonKeys

from common.engines import point_metrics

SCALE_MM = (168.0, 96.0, 130.0)


def test_point_metrics_are_mm_at_the_landmarks() -> None:
    torch.manual_seed(0)
    cloud, landmarks = torch.rand(1, 40, 3).double() * 100, torch.rand(1, 6, 3).double() * 100
    matrix, shift = 0.05 * torch.rand(3, 3).double(), torch.tensor([[3.0, 4.0, 12.0]]).double()
    batch = {
        "fixed_cloud": cloud,
        "fixed_keypoints": landmarks,
        "moving_keypoints": landmarks + landmarks @ matrix + shift + torch.tensor([0, 0, 2.0]),
        "cloud_shift": shift,
    }
    prediction = cloud @ matrix / torch.tensor(SCALE_MM)
    engine = Engine(lambda *_: {CommonKeys.PRED: prediction, CommonKeys.LABEL: batch})
    for name, metric in point_metrics(SCALE_MM).items():
        metric.attach(engine, name)
    state = engine.run([0])
    before = (batch["moving_keypoints"] - landmarks).norm(dim=2).mean().item()
    assert state.metrics["tre_mm"] == pytest.approx(2, abs=1e-4)
    assert state.metrics["tre_before_mm"] == pytest.approx(before, abs=1e-4)
