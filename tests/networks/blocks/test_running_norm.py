import pytest
import torch
from monai.networks.blocks import Convolution
from torch import nn

from common.networks.blocks import FoldingConvolution, RunningBatchNorm2d, RunningBatchNorm3d

KINDS = {2: (RunningBatchNorm2d, nn.BatchNorm2d), 3: (RunningBatchNorm3d, nn.BatchNorm3d)}


@pytest.fixture(params=[2, 3], ids=["2d", "3d"])
def layers(request: pytest.FixtureRequest) -> tuple[nn.Module, nn.Module, torch.Tensor]:
    """Ours, PyTorch's, and an image."""
    torch.manual_seed(0)
    ours, theirs = (kind(3, momentum=0.2) for kind in KINDS[request.param])
    nn.init.uniform_(theirs.weight)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs, 3 * torch.rand(2, 3, *(5, 6, 7)[: request.param]) + 2


def test_statistics_are_those_of_pytorch(layers: tuple) -> None:
    ours, theirs, image = layers
    for _ in range(3):
        ours(image)
        theirs(image)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value)


def test_training_normalizes_by_the_statistics_it_has_just_updated(layers: tuple) -> None:
    ours, theirs, image = layers
    answer = ours(image)
    theirs(image)
    torch.testing.assert_close(answer, theirs.eval()(image))
    torch.testing.assert_close(ours.eval()(image), answer)
    assert answer.mean().abs() > 0.1  # a batch normalized by itself would have a mean of 0


def test_the_gradient_flows_through_the_statistics_of_the_batch(layers: tuple) -> None:
    ours, theirs, image = layers
    weights = torch.rand_like(image)
    image.requires_grad_()
    answer = (weights * ours(image)).sum()
    ours(2 * image.detach())  # before the backward pass: the statistics of now are not those of then
    (slope,) = torch.autograd.grad(answer, image)
    per_channel = (1, -1) + (1,) * (image.ndim - 2)
    axes = [axis for axis in range(image.ndim) if axis != 1]
    batch = image.var(axes, correction=0).detach()
    running = 0.8 + 0.2 * image.var(axes, correction=1).detach()
    (plain,) = torch.autograd.grad((weights * theirs(image)).sum(), image)
    r = torch.sqrt((batch + theirs.eps) / (running + theirs.eps))
    torch.testing.assert_close(slope, plain * r.view(per_channel))
    assert (slope.sum(axes).abs() < 1e-4).all()  # a constant added to a channel changes nothing but the statistics


def test_convolution_takes_it_in_when_evaluated() -> None:
    torch.manual_seed(0)
    layer = FoldingConvolution(3, 2, 4, adn_ordering="NA", act="RELU", norm="BATCH")
    layer.get_submodule("adn").register_module("N", RunningBatchNorm3d(4))
    image = 5 * torch.rand(1, 2, 5, 6, 7)
    trained = layer(image)
    torch.testing.assert_close(layer.eval()(image), trained)
    assert layer._is_foldable()
    torch.testing.assert_close(layer(image), Convolution.forward(layer, image))
