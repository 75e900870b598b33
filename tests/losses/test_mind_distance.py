import pytest
import torch

from common.features import mind_ssc
from common.losses import MINDDistance


def test_value_is_the_mean_squared_difference_of_descriptors() -> None:
    first, second = torch.rand(2, 2, 1, 6, 7, 8)
    expected = (mind_ssc(first, 1, 1) - mind_ssc(second, 1, 1)).square().mean()
    torch.testing.assert_close(MINDDistance(dilation=1)(first, second), expected)


def test_contrast_does_not_count() -> None:
    image = torch.rand(1, 1, 6, 7, 8)
    assert MINDDistance()(3 - 2 * image, image) < 1e-8


def test_gradient_flows_to_the_prediction() -> None:
    image = torch.rand(1, 1, 6, 7, 8, requires_grad=True)
    MINDDistance()(image, torch.rand(1, 1, 6, 7, 8)).backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()
    assert image.grad.abs().max() > 0


def test_wrong_shape_raises() -> None:
    with pytest.raises(ValueError, match=r"mind_ssc\(\) expects 'image'"):
        MINDDistance()(torch.rand(1, 2, 6, 7, 8), torch.rand(1, 2, 6, 7, 8))
