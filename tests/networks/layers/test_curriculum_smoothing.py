from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from common.networks.layers import CurriculumSmoothing


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("axes", [2, 3])
def test_maps_are_those_of_the_released_kernels(oracle: Callable, size: int, axes: int) -> None:
    """Equation (3), with a dense convolution by the recorded kernel in the smoothing's place."""
    recorded = oracle("000_cbs_kernels")
    kernels = recorded[{2: f"k2d_{size}", 3: f"k3d_{size}_derived"}[axes]]
    convolution, convolve = {2: (nn.Conv2d, F.conv2d), 3: (nn.Conv3d, F.conv3d)}[axes]
    network = nn.Sequential(convolution(2, 3, 3, stride=2), nn.LeakyReLU(0.1), convolution(3, 1, 3)).train()
    smoothing, image = CurriculumSmoothing(network, size=size), torch.rand(2, 2, *(11, 12, 13)[:axes])
    for sigma, kernel in zip(recorded["sigmas"].tolist(), kernels, strict=True):
        smoothing.value = 0.0
        maps = network[0](image)
        depthwise = torch.from_numpy(kernel).float().expand(3, 1, *kernel.shape)
        expected = network[2](F.leaky_relu(convolve(maps, depthwise, padding=size // 2, groups=3), 0.1))
        smoothing.value = sigma
        torch.testing.assert_close(network(image), expected, atol=1e-5, rtol=0)


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"CurriculumSmoothing\(\) expects 'size' of 3 or 5, got 4\."):
        CurriculumSmoothing(nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU()), size=4)
