import pytest
import torch

from common.networks.blocks.memory_format import CHANNELS_LAST


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 7)])
def test_channels_of_a_voxel_lie_beside_one_another(shape: tuple[int, ...]) -> None:
    maps = torch.rand(2, 3, *shape).contiguous(memory_format=CHANNELS_LAST[len(shape)])
    assert maps.stride(1) == 1
