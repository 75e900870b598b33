from typing import Any

import pytest
import torch
import torch.nn.functional as F

from common.networks.nets import SegmentationUNet, SymmetricGradientNet, load_segmentation_unet

SMALL: dict[str, Any] = {"multiplier": 1, "convolutions": (1, 2), "classes": 3}


@pytest.mark.parametrize("shape", [(9, 10, 11), (9, 13), (1, 3, 8)])
def test_network_takes_any_size_and_both_dimensions(shape: tuple[int, ...]) -> None:
    net = SegmentationUNet(len(shape), in_channels=2, **SMALL)
    assert net(torch.rand(2, 2, *shape)).shape == (2, 3, *shape)


def test_stages_are_those_of_the_registration_network() -> None:
    """But for the last layer, and its coarse heads."""
    ours = SegmentationUNet(**SMALL).state_dict()
    theirs = SymmetricGradientNet(multiplier=1, convolutions=(1, 2)).state_dict()
    assert {name: value.shape for name, value in ours.items() if not name.startswith("head")} == {
        name: value.shape for name, value in theirs.items() if "head" not in name
    }
    assert ours["head.weight"].shape == (3, 4, 3, 3, 3)


def test_parameters_by_hand() -> None:
    """The registration network of multiplier 4 has 7 728 175 with 3 channels, coarse heads and a head of 3 fields."""
    coarse = 3 * 27 * (256 + 128 + 64 + 32) + 4 * 3
    channels, heads = 2 * 27 * 16, 9 * (27 * 16 + 1)
    count = sum(p.numel() for p in SegmentationUNet().parameters())
    assert count == 7_728_175 - coarse - channels + heads


def test_padding_is_even_at_both_ends() -> None:
    torch.manual_seed(0)
    net = SegmentationUNet(**SMALL).eval()
    image = torch.rand(1, 1, 6, 10, 14)
    padded = F.pad(image, (1, 1, 1, 1, 1, 1))
    torch.testing.assert_close(net(image), net(padded)[..., 1:-1, 1:-1, 1:-1])


def test_network_learns_two_classes() -> None:
    torch.manual_seed(0)
    image = torch.zeros(1, 1, 8, 8, 8)
    image[..., 3:] = 1
    label = image[:, 0].long()
    net = SegmentationUNet(**SMALL | {"classes": 2})
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(40):
        optimizer.zero_grad()
        F.cross_entropy(net(image), label).backward()
        optimizer.step()
    assert (net.eval()(image).argmax(dim=1) == label).float().mean() > 0.98


def test_checkpointing_changes_nothing_but_memory() -> None:
    image = torch.rand(1, 1, 8, 12, 16)
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(1)
        net = SegmentationUNet(**SMALL, checkpointing=checkpointing).train()
        net(image).square().sum().backward()
        gradients.append(net.encoder.get_parameter("enter.conv.weight").grad)
    torch.testing.assert_close(*gradients)


def test_wrong_channels_raise() -> None:
    with pytest.raises(ValueError, match=r"'image' of 1 channels, one per window, got \(1, 3, 8, 8, 8\)"):
        SegmentationUNet(**SMALL)(torch.rand(1, 3, 8, 8, 8))


@pytest.mark.parametrize("options", [{}, {"spatial_dims": 2, "in_channels": 3, "convolutions": (2, 1, 3)}])
def test_weights_tell_their_network(options: dict) -> None:
    net = SegmentationUNet(**SMALL | options).eval()
    image = torch.rand(1, net.in_channels, *[16] * options.get("spatial_dims", 3))
    torch.testing.assert_close(load_segmentation_unet(net.state_dict()).eval()(image), net(image))


@pytest.mark.parametrize(
    "weights", [{}, SymmetricGradientNet(multiplier=1).state_dict(), {"encoder.enter.conv.weight": 3}],
    ids=["none", "registration", "number"],
)  # fmt: skip
def test_weights_of_another_network_raise(weights: dict) -> None:
    with pytest.raises(ValueError, match=r"expects weights of a SegmentationUNet, got others"):
        load_segmentation_unet(weights)
