"""Scripted networks answer as the networks themselves, at any size."""

import pytest
import torch
from torch import nn

from common.networks.blocks import Traced
from common.networks.nets import DIRNet, SegmentationUNet, SymmetricGradientNet

NETWORKS = {
    "DIRNet": (lambda: DIRNet(extra_convolutions=True), 2, (40, 53)),
    "DIRNet B2": (lambda: DIRNet(downsamplings=2, transformer="thin_plate_spline"), 2, (64, 64)),
    "DIRNet C2": (lambda: DIRNet(downsamplings=2, dense_shape=(24, 40)), 2, (24, 40)),
    "DIRNet 3-D": (lambda: DIRNet(spatial_dims=3), 2, (20, 33, 17)),
    "SymmetricGradientNet": (lambda: SymmetricGradientNet(multiplier=1), 2, (20, 33, 17)),
    "SegmentationUNet": (lambda: SegmentationUNet(in_channels=1, classes=3, multiplier=1), 1, (20, 33, 17)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_scripted_network_answers_as_itself(name: str) -> None:
    make, channels, shape = NETWORKS[name]
    network = make().train()
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.05)
    weights = {key: value.clone() for key, value in network.state_dict().items()}
    scripted = torch.jit.script(network)
    assert network.training
    assert network.state_dict().keys() == weights.keys()
    image = torch.rand(2, channels, *shape)
    with torch.no_grad():
        answer = network.eval()(image)
        torch.testing.assert_close(scripted(image), answer)
    assert answer.abs().max() > 0


def test_modes_of_parts_are_kept() -> None:
    network = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout())
    network[0].eval()
    Traced(network, torch.rand(1, 2))
    assert [part.training for part in network] == [False, True]
