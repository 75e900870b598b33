import pytest
import torch
from torch import nn

from common.networks.layers import CurriculumSmoothing
from common.networks.layers.convolution_hooks import ConvolutionHooks
from common.spatial import gaussian_smooth


class Functional(nn.Module):
    """A network whose activations are functions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 2, 3)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.second(torch.relu(self.first(image)))


def test_layers_can_be_named() -> None:
    network, image = Functional().train(), torch.rand(1, 1, 8, 8)
    CurriculumSmoothing(network, 1.0, layers=["first"])
    smoothed = gaussian_smooth(nn.functional.conv2d(image, network.first.weight, network.first.bias), 1.0)
    torch.testing.assert_close(network(image), network.second(torch.relu(smoothed)))


def test_places_that_are_not_there_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"CurriculumSmoothing\(\) finds no convolution with an activation in Functional"
    ):
        CurriculumSmoothing(Functional())
    with pytest.raises(ValueError, match=r"CurriculumSmoothing\(\) finds no layer third in Functional\."):
        CurriculumSmoothing(Functional(), layers=["first", "third"])


def test_a_sigmoid_makes_no_block() -> None:
    head = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Sigmoid(), nn.ReLU()).train()
    image = torch.rand(1, 1, 8, 8)
    plain = head(image)
    CurriculumSmoothing(head, 1.0)
    assert torch.equal(head(image), plain)


def test_dropout_and_identity_are_passed() -> None:
    block = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Identity(), nn.Dropout(0.0), nn.ReLU()).train()
    image = torch.rand(1, 1, 8, 8)
    plain = block[0](image)
    CurriculumSmoothing(block, 1.0)
    torch.testing.assert_close(block(image), gaussian_smooth(plain, 1.0).relu())


def test_a_map_is_smoothed_once() -> None:
    block = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU(inplace=True), nn.BatchNorm2d(1), nn.ELU(inplace=True)).train()
    image = torch.rand(1, 1, 8, 8)
    expected = block[3](block[2](gaussian_smooth(block[0](image), 1.0).relu()))
    CurriculumSmoothing(block, 1.0)
    torch.testing.assert_close(block(image), expected)


def test_what_else_reads_a_map_sees_it_as_it_is() -> None:
    class Skip(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act = nn.Conv2d(1, 1, 3), nn.ReLU()

        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            maps = self.conv(image)
            return maps, self.act(maps)

    network, image = Skip().train(), torch.rand(1, 1, 8, 8)
    maps, _ = network(image)
    CurriculumSmoothing(network, 1.0)
    again, activated = network(image)
    assert torch.equal(again, maps)
    assert torch.equal(activated, gaussian_smooth(maps, 1.0).relu())


def test_base_has_no_change_of_its_own() -> None:
    with pytest.raises(TypeError, match="abstract"):
        ConvolutionHooks(Functional())  # type: ignore[abstract]
