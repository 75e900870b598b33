from collections.abc import Callable

import pytest
import torch
from monai.losses import LocalNormalizedCrossCorrelationLoss

from common.losses import LocalNormalizedCrossCorrelation


def test_lncc_is_the_released_code(oracle: Callable) -> None:
    recorded = oracle("001_losses")
    images = (torch.from_numpy(recorded[name]) for name in ("ncc_I", "ncc_J"))
    assert LocalNormalizedCrossCorrelation(9)(*images).item() == pytest.approx(float(recorded["lncc9_loss"]), abs=1e-5)


@pytest.mark.parametrize("shape", [(16, 17), (12, 13, 14)])
def test_lncc_is_that_of_monai_where_images_have_texture(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 1, 2, *shape)
    theirs = LocalNormalizedCrossCorrelationLoss(len(shape), kernel_size=5)(*images)
    assert LocalNormalizedCrossCorrelation(5)(*images).item() == pytest.approx(theirs.item(), abs=1e-4)


def test_contrast_does_not_matter() -> None:
    torch.manual_seed(0)
    image = torch.rand(1, 1, 12, 12, 12)
    assert LocalNormalizedCrossCorrelation(5)(image, -2 * image).item() == pytest.approx(-1, abs=1e-3)


def test_constant_windows_count_nothing() -> None:
    ones = torch.ones(1, 1, 20, 20)
    assert abs(LocalNormalizedCrossCorrelation(5)(ones, ones)[None].item()) < 0.5
    zeros = torch.zeros(1, 1, 20, 20)
    assert LocalNormalizedCrossCorrelation(5)(zeros, zeros) == 0


def test_lncc_gradient() -> None:
    torch.manual_seed(0)
    images = torch.rand(2, 1, 1, 6, 7, dtype=torch.float64)
    loss = LocalNormalizedCrossCorrelation(3)
    warped = images[0].requires_grad_()
    value = loss(warped, images[1])
    (slope,) = torch.autograd.grad(value, warped)
    step = 1e-3
    moved = images[0].detach().clone()
    moved[0, 0, 3, 3] += step
    assert (loss(moved, images[1]) - value).item() / step == pytest.approx(slope[0, 0, 3, 3].item(), rel=0.05)


def test_different_shapes_raise() -> None:
    with pytest.raises(ValueError, match=r"expects 'warped' of shape \("):
        LocalNormalizedCrossCorrelation()(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 5))
