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


def test_no_gradient_flows_through_the_statistics(layers: tuple) -> None:
    ours, _, image = layers
    image.requires_grad_()
    two = ours(image).sum() + ours(2 * image).sum()  # both before the backward pass
    two.backward()
    slope = image.grad[0].flatten(1)
    torch.testing.assert_close(slope, slope[:, :1].expand_as(slope))  # the same at every voxel
    assert slope.abs().min() > 0


def test_convolution_takes_it_in_when_evaluated() -> None:
    torch.manual_seed(0)
    layer = FoldingConvolution(3, 2, 4, adn_ordering="NA", act="RELU", norm="BATCH")
    layer.adn.N = RunningBatchNorm3d(4)
    image = 5 * torch.rand(1, 2, 5, 6, 7)
    trained = layer(image)
    torch.testing.assert_close(layer.eval()(image), trained)
    assert layer._is_foldable()
    torch.testing.assert_close(layer(image), Convolution.forward(layer, image))
