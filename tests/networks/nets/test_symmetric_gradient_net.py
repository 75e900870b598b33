import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from common.networks.nets import GradientPrediction, SymmetricGradientNet
from common.spatial import jacobian_determinant, warp

TOLERANCE = 1e-4
SMALL: dict[str, Any] = {"multiplier": 1, "convolutions": (1, 2)}
PARTS = [  # the released code's names of layers, and ours
    (r"encoder\.input\.add_conv\.", "encoder.enter.conv."),
    (r"encoder\.input\.conv\.", "encoder.refine.conv."),
    (r"encoder\.conv_blocks\.(\d+)\.conv_pool\.conv\.", r"encoder.stages.\1.0.conv."),
    (r"encoder\.conv_blocks\.(\d+)\.nConvs\.(\d+)\.conv\.", r"encoder.stages.\1.>\2.conv."),
    (r"registration_decoder\.conv_list\.(\d+)\.conv_tr\.conv\.", r"decoder.doublings.\1.conv."),
    (r"registration_decoder\.conv_list\.(\d+)\.nConvs\.(\d+)\.conv\.", r"decoder.stages.\1.\2.conv."),
    (r"registration_decoder\.last_conv\.", "head."),
    (r"deep_blocks\.convs_list\.(\d+)\.", r"coarse_heads.\1."),
]


def ours(name: str) -> str:
    name = name.removeprefix("w_").replace("__", ".")
    for pattern, replacement in PARTS:
        if re.match(pattern, name):
            name = re.sub(pattern, replacement, name)
            return re.sub(r">(\d+)", lambda match: str(int(match[1]) + 1), name)
    raise KeyError(name)


@pytest.mark.parametrize(
    ("file", "activation", "residual"),
    [("hippo", ("LEAKYRELU", {"negative_slope": 0.01}), True), ("abdo", ("LEAKYRELU", {}), False),
     ("abdo_relu", "RELU", False)],
)  # fmt: skip
def test_network_is_the_released_one(oracle: Callable, file: str, activation: str | tuple, residual: bool) -> None:
    recorded = oracle(f"001_network_{file}")
    moving, fixed = (torch.from_numpy(recorded[name]) for name in ("moving", "reference"))
    options: dict[str, Any] = {
        "in_channels": moving.shape[1],
        "activation": activation,
        "residual": residual,
        "align_corners": False,
    }
    net = SymmetricGradientNet(**SMALL, **options)
    weights = {ours(name): torch.from_numpy(v) for name, v in recorded.items() if name.startswith("w_")}
    net.load_state_dict(weights)
    prediction = net.train()(torch.cat([fixed, moving], dim=1))
    for way, predicted, scan in (("M2F", prediction, moving), ("F2M", prediction.reverse, fixed)):
        np.testing.assert_allclose(predicted.gradients.detach(), recorded[f"grad_{way}"], atol=TOLERANCE)
        for number, ddf in enumerate((*predicted.levels, predicted.ddf)):
            warped = warp(scan, ddf, padding="zeros").detach()
            np.testing.assert_allclose(warped, recorded[f"warped_{way}_ds{number}"], atol=TOLERANCE)
    np.testing.assert_allclose(
        net.eval()(torch.cat([fixed, moving], dim=1)).detach(), prediction.ddf.detach(), atol=1e-5
    )


def test_parameters_are_those_of_the_released_code() -> None:
    assert sum(p.numel() for p in SymmetricGradientNet(in_channels=3).parameters()) == 30_825_039
    # the four coarse heads have 3 * 27 * (512 + 256 + 128 + 64) weights and 12 biases
    assert sum(p.numel() for p in SymmetricGradientNet(in_channels=3).coarse_heads.parameters()) == 77_772


def test_network_starts_with_the_identity() -> None:
    prediction = SymmetricGradientNet(**SMALL)(torch.rand(1, 2, 8, 12, 16))
    assert prediction.ddf.abs().max() < 1e-5
    assert prediction.reverse.ddf.abs().max() < 1e-5
    assert (prediction.gradients == 0.5).all()


@pytest.mark.parametrize("shape", [(9, 10, 11), (9, 13)])
def test_network_takes_any_size_and_both_dimensions(shape: tuple[int, ...]) -> None:
    net = SymmetricGradientNet(len(shape), **SMALL).train()
    prediction = net(torch.rand(2, 2, *shape))
    assert prediction.ddf.shape == (2, len(shape), *shape)
    assert [level.shape for level in prediction.levels] == [prediction.ddf.shape] * 2


def moved(net: SymmetricGradientNet) -> SymmetricGradientNet:
    torch.manual_seed(0)
    torch.nn.init.normal_(net.head.weight, std=0.3)
    return net


def test_padding_is_even_at_both_ends() -> None:
    net = moved(SymmetricGradientNet(**SMALL)).eval()
    image = torch.rand(1, 2, 6, 10, 14)
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1, 1, 1))
    torch.testing.assert_close(net(image), net(padded)[..., 1:-1, 1:-1, 1:-1])


def test_exchanged_scans_exchange_the_directions() -> None:
    net = moved(SymmetricGradientNet(**SMALL)).train()
    image = torch.rand(1, 2, 8, 12, 16)
    there, back = net(image), net(image.flip(1))
    torch.testing.assert_close(there.reverse.ddf, back.ddf)
    torch.testing.assert_close(there.ddf, back.reverse.ddf)


def test_field_is_monotone_along_each_axis() -> None:
    ddf = moved(SymmetricGradientNet(**SMALL)).eval()(torch.rand(1, 2, 16, 16, 16))
    assert ddf.abs().max() > 0.1
    for axis in range(3):
        assert (ddf[:, axis].diff(dim=axis + 1) > -1).all()
    assert jacobian_determinant(ddf).isfinite().all()


def test_without_symmetry_and_deep_supervision_there_is_one_field() -> None:
    net = SymmetricGradientNet(**SMALL, symmetric=False, deep_supervision=False)
    prediction = net(torch.rand(1, 2, 8, 8, 8))
    assert isinstance(prediction, GradientPrediction)
    assert prediction.levels == ()
    assert prediction.reverse is None


def test_checkpointing_changes_nothing_but_memory() -> None:
    image = torch.rand(1, 2, 8, 12, 16)
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(1)
        net = moved(SymmetricGradientNet(**SMALL, checkpointing=checkpointing)).train()
        net(image).ddf.square().sum().backward()
        gradients.append(net.encoder.get_parameter("enter.conv.weight").grad)
    torch.testing.assert_close(*gradients)


def test_wrong_channels_raise() -> None:
    with pytest.raises(ValueError, match=r"'image' of 2 channels, fixed then moving, got \(1, 1, 8, 8, 8\)"):
        SymmetricGradientNet(**SMALL)(torch.rand(1, 1, 8, 8, 8))


def test_replicated_padding_continues_the_border() -> None:
    net = moved(SymmetricGradientNet(**SMALL, padding="replicate")).eval()
    image = torch.rand(1, 2, 6, 10, 14)
    continued = torch.nn.functional.pad(image, (1, 1, 1, 1, 1, 1), mode="replicate")
    torch.testing.assert_close(net(image), net(continued)[..., 1:-1, 1:-1, 1:-1])
