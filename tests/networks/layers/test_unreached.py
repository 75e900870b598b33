"""A curriculum that reaches a network only in part says so."""

import warnings
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.networks.layers import CurriculumDropout, CurriculumSmoothing
from common.networks.nets import DIRNet


class Mixed(nn.Module):
    """A block of modules, then what is called as a function."""

    def __init__(self, second: Callable[["Mixed", Tensor], Tensor]) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU())
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.weight = nn.Parameter(torch.rand(4, 4, 3, 3))
        self.second = second

    def forward(self, image: Tensor) -> Tensor:
        return self.second(self, self.block(image))


PARTS = {
    "conv2d in Mixed": lambda self, x: torch.relu(F.conv2d(x, self.weight)),
    "relu in Mixed": lambda self, x: F.relu(self.conv(x)),
    "leaky_relu in Mixed": lambda self, x: F.leaky_relu(input=self.conv(x)),
    "batch_norm in Mixed": lambda self, x: F.batch_norm(self.conv(x), None, None, training=True),
}


@pytest.mark.parametrize("told", PARTS)
@pytest.mark.parametrize("curriculum", [CurriculumSmoothing, CurriculumDropout])
def test_functions_are_told_in_the_first_step_of_a_training(told: str, curriculum: type) -> None:
    network = Mixed(PARTS[told])
    hooks, image = curriculum(network), torch.rand(1, 1, 8, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network.train()(image)
        hooks.value = 0.5
        network.eval()(image)
    with pytest.warns(UserWarning, match=f"^{curriculum.__name__} changes Mixed only in part: {told} is a function"):
        network.train()(image)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network(image)  # it is said once


def test_a_step_that_fails_leaves_nothing_behind() -> None:
    def fail(_: Mixed, image: Tensor) -> Tensor:
        raise ValueError("nothing works")

    network = Mixed(fail)
    CurriculumSmoothing(network, 0.5)
    with pytest.raises(ValueError, match="nothing works"):
        network(torch.rand(1, 1, 8, 8))
    assert torch.overrides._get_current_function_mode() is None


@pytest.mark.parametrize(
    "network",
    [
        DIRNet(channels=2),  # whose spline is a convolution with a fixed kernel
        Mixed(lambda self, x: self.conv(x)),
        Mixed(lambda self, x: F.relu(x + self.conv(x))),  # not straight out of a convolution
    ],
    ids=lambda network: type(network).__name__,
)
def test_networks_of_modules_are_reached(network: nn.Module) -> None:
    CurriculumSmoothing(network, 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network.train()(torch.rand(1, 2 if isinstance(network, DIRNet) else 1, 64, 64))


def test_named_layers_are_meant() -> None:
    network = Mixed(PARTS["relu in Mixed"])
    CurriculumSmoothing(network, 0.5, layers=["conv"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network(torch.rand(1, 1, 8, 8))
