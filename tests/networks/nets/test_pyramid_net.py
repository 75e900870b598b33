"""The network from coarse to fine: what it promises at any size, before and after training."""

from typing import Any

import pytest
import torch
from torch import Tensor

from common.networks.nets import PyramidNet, PyramidPrediction
from common.spatial import warp

SMALL: dict[str, Any] = {"widths": (4, 6)}


def moved(net: PyramidNet) -> PyramidNet:
    """One that answers with more than nearly nothing."""
    torch.manual_seed(0)
    for number in range(len(net.decoders)):
        torch.nn.init.normal_(net.get_parameter(f"decoders.{number}.2.conv.weight"), std=0.3)
    return net


@pytest.mark.parametrize("shape", [(9, 10, 11), (9, 13)])
def test_network_takes_any_size_and_both_dimensions(shape: tuple[int, ...]) -> None:
    prediction = PyramidNet(len(shape), **SMALL).train()(torch.rand(2, 2, *shape))
    assert prediction.ddf.shape == prediction.reverse.ddf.shape == (2, len(shape), *shape)


def test_network_starts_near_the_identity() -> None:
    ddf = PyramidNet(**SMALL).eval()(torch.rand(1, 2, 16, 12, 20))
    assert 0 < ddf.abs().max() < 0.1


def test_exchanged_scans_exchange_the_directions() -> None:
    net = moved(PyramidNet(**SMALL)).train()
    image = torch.rand(1, 2, 8, 12, 16)
    there, back = net(image), net(image.flip(1))
    torch.testing.assert_close(there.reverse.ddf, back.ddf)
    torch.testing.assert_close(there.ddf, back.reverse.ddf)
    torch.testing.assert_close(net.eval()(image), there.ddf)


def test_without_symmetry_there_is_one_field() -> None:
    prediction = PyramidNet(**SMALL, symmetric=False)(torch.rand(1, 2, 8, 8, 8))
    assert isinstance(prediction, PyramidPrediction)
    assert prediction.reverse is None


def test_no_step_goes_farther_than_its_reach() -> None:
    """Two voxels of each level at most, and of the finest at every repetition."""
    net = moved(PyramidNet(widths=(4, 6), repetitions=2)).eval()
    for number in range(len(net.decoders)):
        torch.nn.init.constant_(net.get_parameter(f"decoders.{number}.2.conv.bias"), 100.0)
    ddf = net(torch.rand(1, 2, 16, 16, 16))
    torch.testing.assert_close(ddf, torch.full_like(ddf, 2.0 * (4 + 2 + 2)))


def test_surroundings_change_nothing_far_away() -> None:
    """Without normalization over the grid: zeros around both scans."""
    net = moved(PyramidNet(**SMALL)).eval()
    image = torch.rand(1, 2, 48, 16, 16)
    wider = torch.nn.functional.pad(image, (0, 0, 0, 0, 0, 64))
    torch.testing.assert_close(net(wider)[:, :, :8], net(image)[:, :, :8])


def test_every_weight_is_trained() -> None:
    net = moved(PyramidNet(**SMALL)).train()
    prediction = net(torch.rand(1, 2, 16, 16, 16))
    (prediction.ddf.square().mean() + prediction.reverse.ddf.square().mean()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_network_learns_a_shift() -> None:
    torch.manual_seed(0)
    scan = torch.nn.functional.interpolate(torch.rand(1, 1, 8, 8), size=(24, 24), mode="bilinear")
    image = torch.cat([scan.roll(-2, 2), scan], dim=1)
    net = PyramidNet(2, widths=(6, 6), repetitions=2)
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        _difference(image, net(image).ddf).backward()
        optimizer.step()
    assert _difference(image, net.eval()(image)) < 0.2 * _difference(image, torch.zeros(1, 2, 24, 24))


def test_script_holds_at_any_size() -> None:
    net = moved(PyramidNet(**SMALL)).eval()
    scripted = torch.jit.script(net)
    for shape in ((16, 8, 12), (9, 14, 11)):
        image = torch.rand(1, 2, *shape)
        torch.testing.assert_close(scripted(image), net(image))


def test_network_raises() -> None:
    with pytest.raises(ValueError, match=r"PyramidNet\(\) expects .* 2 channels"):
        PyramidNet(**SMALL)(torch.rand(1, 3, 8, 8, 8))


def _difference(image: Tensor, ddf: Tensor) -> Tensor:
    inside = (..., slice(4, -4), slice(4, -4))
    return (warp(image[:, 1:], ddf) - image[:, :1])[inside].square().mean()
