"""The loss of clouds by hand."""

import torch

from common.losses import PointDistance


def test_point_distance_is_the_mean_in_the_frame_before_scaling() -> None:
    known = torch.tensor([[[3.0, 4.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 2.0], [0.0, 6.0, 0.0]]])
    batch = {"pseudo_label": known, "unit": torch.tensor([1.0, 2.0]).view(2, 1, 1)}
    torch.testing.assert_close(PointDistance()(torch.zeros(2, 2, 3), batch), torch.tensor((5 + 0 + 1 + 3) / 4))


def test_point_distance_has_a_gradient_where_all_is_right() -> None:
    prediction = torch.zeros(1, 3, 3, requires_grad=True)
    PointDistance()(prediction, {"pseudo_label": torch.zeros(1, 3, 3), "unit": torch.ones(1, 1, 1)}).backward()
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()
