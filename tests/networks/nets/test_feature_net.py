"""The feature network of paper 003."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from common.networks.nets import SelfTrainingFeatureNet

Oracle = Callable[[str], dict[str, np.ndarray]]

WIDTHS = (3, 4, 5, 6, 7)


@pytest.fixture
def net() -> SelfTrainingFeatureNet:
    torch.manual_seed(0)
    return SelfTrainingFeatureNet(WIDTHS, out_channels=8, projected_channels=9).eval()


def test_feature_net_is_that_of_the_paper() -> None:
    net = SelfTrainingFeatureNet()
    assert sum(parameter.numel() for parameter in net.parameters()) == 1_165_584
    convolutions = {name: module for name, module in net.named_modules() if isinstance(module, nn.Conv3d)}
    assert list(convolutions) == ["0", "3", "6", "9", "12", "15"]
    channels = [(conv.in_channels, conv.out_channels, *conv.stride[:1]) for conv in convolutions.values()]
    assert channels == [(1, 32, 2), (32, 64, 1), (64, 128, 2), (128, 128, 1), (128, 128, 2), (128, 16, 1)]


def test_feature_net_loads_released_weights(oracle: Oracle) -> None:
    recorded = oracle("003_pipeline_two_warps_adam")
    weights = {
        key.removeprefix("w_").replace("__", "."): torch.tensor(value)
        for key, value in recorded.items()
        if key.startswith("w_")
    }
    widths = [len(weights[f"{index}.bias"]) for index in (0, 3, 6, 9, 12)]
    net = SelfTrainingFeatureNet(widths, out_channels=len(weights["15.bias"]))
    missing, unexpected = net.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all(key.endswith("num_batches_tracked") for key in missing)


@pytest.mark.parametrize("dims", [2, 3])
def test_feature_net_shapes(dims: int) -> None:
    net = SelfTrainingFeatureNet(WIDTHS, out_channels=8, projected_channels=9, spatial_dims=dims).eval()
    image = torch.rand(2, 1, *(16, 24, 32)[:dims])
    assert net(image).shape == (2, 8, *(2, 3, 4)[:dims])
    assert net(image, 2).shape == (2, 9, *(8, 12, 16)[:dims])


def test_feature_net_fine_features_are_projected_second_block(net: SelfTrainingFeatureNet) -> None:
    image = torch.rand(1, 1, 8, 8, 16)
    block = nn.Sequential(*list(net)[:6])(image)
    expected = F.conv3d(block, net.projection[:, :, None, None, None])
    torch.testing.assert_close(net(image, 2), expected)


def test_feature_net_projection_is_seeded_and_not_saved(net: SelfTrainingFeatureNet) -> None:
    again = SelfTrainingFeatureNet(WIDTHS, out_channels=8, projected_channels=9)
    other = SelfTrainingFeatureNet(WIDTHS, out_channels=8, projected_channels=9, seed=1)
    assert torch.equal(net.projection, again.projection)
    assert not torch.equal(net.projection, other.projection)
    assert net.projection.abs().max() <= WIDTHS[1] ** -0.5
    assert "projection" not in net.state_dict()


def test_feature_net_convention_features_lie_on_first_voxels(net: SelfTrainingFeatureNet) -> None:
    """A bright voxel at (8, 16, 0) moves the features of the middle of its neighborhood, that at (1, 2, 0), most."""

    def response(place: tuple[int, int, int]) -> Tensor:
        image = torch.zeros(1, 1, 24, 32, 16)
        image[(0, 0, *place)] = 1.0
        return (net(image, 2) - net(torch.zeros_like(image), 2)).abs().sum(1)[0]

    assert not net.centered
    changed = response((8, 16, 4)).nonzero()
    assert changed.float().mean(0).tolist() == [4.0, 8.0, 2.0]  # symmetric about the voxel itself, over two


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # MONAI's export is TorchScript
@pytest.mark.parametrize("stride", [2, 8])
def test_feature_net_scripts(net: SelfTrainingFeatureNet, stride: int) -> None:
    image = torch.rand(1, 1, 16, 8, 24)
    torch.testing.assert_close(torch.jit.script(net)(image, stride), net(image, stride))


def test_feature_net_raises(net: SelfTrainingFeatureNet) -> None:
    with pytest.raises(ValueError, match=r"SelfTrainingFeatureNet\(\) expects 'stride' of 2 or 8, got 4"):
        net(torch.zeros(1, 1, 8, 8, 8), 4)
    with pytest.raises(ValueError, match=r"SelfTrainingFeatureNet\(\) expects 'widths' of 5 numbers, got 2"):
        SelfTrainingFeatureNet((8, 16))
    with pytest.raises(ValueError, match=r"SelfTrainingFeatureNet\(\) expects 'spatial_dims' of 2 or 3, got 1"):
        SelfTrainingFeatureNet(spatial_dims=1)
