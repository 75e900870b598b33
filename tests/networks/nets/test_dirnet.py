from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from common.networks.nets import DIRNet
from common.spatial import warp

VARIANTS: dict[str, Any] = {
    "b": {},
    "a1": {"pooling": "max"},
    "a2": {"pooling": "convolution"},
    "b1": {"order": 2},
    "b2": {"transformer": "thin_plate_spline"},
    "c1": {"extra_convolutions": True},
    "c2": {"dense_shape": (64, 64)},
}


def moved(net: DIRNet) -> DIRNet:
    torch.manual_seed(0)
    last = [layer for layer in net.layers if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear)][-1]
    nn.init.normal_(last.weight, std=0.3)
    return net.eval()


def test_control_points_are_those_of_the_authors_later_code(oracle: Callable) -> None:
    recorded = oracle("004_ncc_dirnet_torchir")
    net = DIRNet(channels=8, downsamplings=2, norm=None).eval()
    weights = [torch.from_numpy(v) for name, v in recorded.items() if name.startswith("w_")]
    net.load_state_dict(dict(zip(net.state_dict(), weights, strict=True)))
    image = torch.cat([torch.from_numpy(recorded[name]) for name in ("fixed", "warped")], dim=1)
    points = net.layers(image)
    np.testing.assert_allclose(points.detach(), recorded["dirnet_params_out"], atol=1e-6)


def test_parameters_are_those_of_the_paper() -> None:
    assert sum(p.numel() for p in DIRNet(norm=None).parameters()) == 7_842
    # of the dense layers the first alone has 8 * 8 * 16 * 1024 weights
    assert sum(p.numel() for p in DIRNet(dense_shape=(256, 256)).parameters()) > 8 * 8 * 16 * 1024


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_starts_with_the_identity_and_learns(variant: str) -> None:
    torch.manual_seed(0)
    net = DIRNet(**VARIANTS[variant]).train()
    image = torch.rand(2, 2, 64, 64)
    ddf = net(image)
    assert ddf.shape == (2, 2, 64, 64)
    assert not ddf.any()
    (warp(image[:, 1:], ddf) - image[:, :1]).square().mean().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


@pytest.mark.parametrize("shape", [(65, 50), (7, 40), (16, 16), (33, 18, 20)])
def test_network_takes_any_size_and_both_dimensions(shape: tuple[int, ...]) -> None:
    net = moved(DIRNet(len(shape)))
    ddf = net(torch.rand(2, 2, *shape))
    assert ddf.shape == (2, len(shape), *shape)
    assert ddf.abs().max() > 0


def test_padding_does_not_shift_the_field() -> None:
    net = moved(DIRNet(downsamplings=2))
    image = torch.zeros(1, 2, 60, 60)
    image[..., 20:40, 22:44] = torch.rand(1, 2, 20, 22)
    part = net(image[..., 1:59, 2:59])  # padded by 1 and 1, by 1 and 2
    torch.testing.assert_close(part[..., :56], net(image.roll(-1, 3))[..., 1:59, 1:57], atol=1e-5, rtol=0)


def test_field_follows_the_image_by_whole_cells() -> None:
    net = moved(DIRNet(downsamplings=2, norm=None))
    image = torch.zeros(1, 2, 64, 64)
    image[..., 24:36, 24:36] = torch.rand(1, 2, 12, 12)
    there, here = net(image.roll((4, 8), (2, 3))), net(image)
    torch.testing.assert_close(there.roll((-4, -8), (2, 3))[..., 20:40, 20:40], here[..., 20:40, 20:40])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"pooling": "median"}, "'pooling' to be one of average, max, convolution, got 'median'"),
        ({"transformer": "nurbs"}, "'transformer' to be one of bspline, thin_plate_spline, got 'nurbs'"),
        ({"downsamplings": 5}, "'downsamplings' from 1 to the 4 convolutions, got 5"),
    ],
)
def test_unknown_choices_raise(options: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        DIRNet(**options)


def test_images_that_do_not_fit_raise() -> None:
    with pytest.raises(ValueError, match="'image' of 2 channels, fixed then moving, got"):
        DIRNet()(torch.zeros(1, 3, 32, 32))
    with pytest.raises(ValueError, match="of this size, got"):
        DIRNet(dense_shape=(64, 64))(torch.zeros(1, 2, 32, 64))
    with pytest.raises(ValueError, match=r"expects 'dense_shape' of 32 or more, got \(64, 16\)"):
        DIRNet(dense_shape=(64, 16))
