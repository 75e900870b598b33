import torch
from torch import nn

from common.networks.blocks import start_uniform_scaling


def test_bounds_count_inputs_of_convolutions_and_outputs_of_transposed_ones() -> None:
    torch.manual_seed(0)
    network = nn.ModuleDict({"conv": nn.Conv3d(5, 40, 3), "up": nn.ConvTranspose3d(40, 6, 4, bias=False)})
    start_uniform_scaling(network)
    for name, count in (("conv", 5 * 27), ("up", 6 * 64)):
        weight = network.get_parameter(f"{name}.weight")
        bound = (3 / count) ** 0.5
        assert 0.99 * bound < weight.abs().max() <= bound
        assert abs(weight.var() * count - 1) < 0.05
    assert not network.get_parameter("conv.bias").any()


def test_a_convolution_keeps_the_scale() -> None:
    torch.manual_seed(0)
    layer = nn.Conv3d(16, 16, 3, padding=1)
    start_uniform_scaling(layer)
    answer = layer(torch.randn(1, 16, 12, 12, 12))[:, :, 1:-1, 1:-1, 1:-1]
    assert abs(answer.std() - 1) < 0.1
