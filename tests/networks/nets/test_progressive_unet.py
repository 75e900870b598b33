import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from common.io import load_weights
from common.networks.nets import DisplacementUNet, ProgressiveUNet, plain_weights
from common.spatial import compose

SMALL: dict[str, Any] = {"base_channels": 2, "levels": 3}
FULL = (0.0, 0.0, 1.0)


@pytest.fixture
def net() -> ProgressiveUNet:
    torch.manual_seed(0)
    net = ProgressiveUNet(**SMALL)
    net(torch.rand(1, 2, 8, 8, 8))  # running statistics that are not 0 and 1
    return net


@pytest.fixture
def image() -> Tensor:
    return torch.rand(1, 2, 8, 12, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("training", [True, False])
def test_grown_network_is_its_unet_bit_for_bit(net: ProgressiveUNet, training: bool) -> None:
    net.train(training)
    odd = torch.rand(2, 2, 9, 14, 11)
    plain = net.plain()
    assert plain.training == training
    assert torch.equal(plain(odd), net(odd))
    assert not [name for name in plain.state_dict() if name.startswith("level_")]
    assert len(net.state_dict()) - len(plain.state_dict()) == 8  # two levels, an input and an output each


def test_five_levels_have_eight_convolutions_more() -> None:
    with torch.device("meta"):
        net = ProgressiveUNet()
    shapes = {name: tuple(parameter.shape[:2]) for name, parameter in net.named_parameters()}
    assert [shapes[f"level_inputs.{k}.weight"] for k in range(4)] == [(256, 2), (128, 2), (64, 2), (32, 2)]
    assert [shapes[f"level_outputs.{k}.weight"] for k in range(4)] == [(3, 512), (3, 256), (3, 128), (3, 64)]
    assert sum(name.startswith("level_") for name in shapes) == 2 * 8


def test_weights_start_as_those_of_the_baseline() -> None:
    torch.manual_seed(5)
    baseline = DisplacementUNet(**SMALL).state_dict()
    torch.manual_seed(5)
    ours = plain_weights(ProgressiveUNet(**SMALL).state_dict())
    assert ours.keys() == baseline.keys()
    assert all(torch.equal(ours[name], baseline[name]) for name in baseline)


def field_by_hand(net: ProgressiveUNet, image: Tensor, alpha: tuple[float, ...]) -> Tensor:
    """The equations, all levels computed."""
    beta = list(itertools.accumulate(alpha))
    half, quarter = F.avg_pool3d(image, 2), F.avg_pool3d(image, 4)
    y2 = net.encoders[2](image)
    y1 = net.encoders[1](beta[1] * net.level_inputs[1](half) + (1 - beta[1]) * F.max_pool3d(y2, 2))
    y0 = net.encoders[0](beta[0] * net.level_inputs[0](quarter) + (1 - beta[0]) * F.max_pool3d(y1, 2))
    z1 = net.decoders[0](torch.cat([net.upsamplings[0](y0), y1], dim=1))
    z2 = net.decoders[1](torch.cat([net.upsamplings[1](z1), y2], dim=1))
    fields = [net.level_outputs[0](y0), net.level_outputs[1](z1), net.head(z2)]
    large = [F.interpolate(field, image.shape[2:], mode="trilinear") for field in fields]
    return torch.stack([weight * field for weight, field in zip(alpha, large, strict=True)]).sum(0)


@pytest.mark.parametrize("alpha", [(1, 0, 0), (0.25, 0.75, 0), (0, 1, 0), (0, 0.5, 0.5), FULL, (0.2, 0.3, 0.5)])
def test_levels_are_weighted_as_the_equations_say(net: ProgressiveUNet, image: Tensor, alpha: tuple) -> None:
    net.eval().alpha = alpha
    torch.testing.assert_close(net(image), field_by_hand(net, image, alpha), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("alpha", "computed", "inputs"),
    [((1, 0, 0), [0], [0]), ((0.5, 0.5, 0), [0, 1], [0, 1]), ((0, 1, 0), [0, 1], [1]), ((0, 0.5, 0.5), [0, 1, 2], [1]),
     (FULL, [0, 1, 2], [])],
)  # fmt: skip
def test_levels_without_a_part_are_not_computed(
    net: ProgressiveUNet, image: Tensor, alpha: tuple, computed: list[int], inputs: list[int]
) -> None:
    net.alpha = alpha
    net(image).sum().backward()
    with_gradient = [n for n, layer in enumerate(net.encoders) if layer.get_parameter("0.conv.weight").grad is not None]
    assert with_gradient == computed
    assert [n for n, layer in enumerate(net.level_inputs) if layer.weight.grad is not None] == inputs
    outputs = [n for n, layer in enumerate(net.level_outputs) if layer.weight.grad is not None]
    assert outputs == [n for n in (0, 1) if alpha[n]]
    tracked = [int(layer.get_buffer("0.adn.N.num_batches_tracked")) for layer in net.encoders]
    assert [n for n, count in enumerate(tracked) if count == 2] == computed  # statistics of the others stay


def test_fields_can_be_composed(image: Tensor) -> None:
    torch.manual_seed(0)
    net = ProgressiveUNet(**SMALL, combination="compose").eval()
    fields = []
    for alpha in ((0, 1, 0), FULL):
        net.alpha = alpha
        fields.append(net(image))
    net.alpha = (0, 0.5, 0.5)
    summed = ProgressiveUNet(**SMALL).eval()
    summed.load_state_dict(net.state_dict())
    summed.alpha = net.alpha
    assert net(image).shape == fields[0].shape
    assert not torch.allclose(net(image), summed(image), atol=1e-4)
    assert torch.equal(compose(fields[1], torch.zeros_like(fields[1])), fields[1])


def test_training_goes_on_through_all_levels(image: Tensor) -> None:
    torch.manual_seed(0)
    net = ProgressiveUNet(**SMALL)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.5)
    for alpha in ((1, 0, 0), (0.5, 0.5, 0), (0, 1, 0), (0, 0.5, 0.5), FULL):
        net.alpha = alpha
        for _ in range(25):
            optimizer.zero_grad()
            loss = (net(image) - 1).square().mean()
            loss.backward()
            optimizer.step()
    assert loss < 0.3


def test_exported_network_is_the_unet(net: ProgressiveUNet, image: Tensor, tmp_path: Path) -> None:
    net.eval()
    torch.jit.save(torch.jit.script(net), tmp_path / "net.ts")
    exported = torch.jit.load(tmp_path / "net.ts")
    assert not [name for name in exported.state_dict() if "level_" in name]
    torch.testing.assert_close(exported(image), net(image))


def test_weights_of_the_levels_are_no_state(net: ProgressiveUNet) -> None:
    names = net.state_dict().keys()
    net.alpha = (1, 0, 0)
    assert net.state_dict().keys() == names
    assert ProgressiveUNet(**SMALL).alpha == FULL


def test_wrong_arguments_raise(net: ProgressiveUNet) -> None:
    for alpha in [(1, 0), (0.5, 0.4, 0), (-1, 1, 1)]:
        with pytest.raises(ValueError, match="expects 'alpha' of 3 weights that sum to 1"):
            net.alpha = alpha
    with pytest.raises(ValueError, match="'combination' to be one of sum, compose, got 'mean'"):
        ProgressiveUNet(**SMALL, combination="mean")


def test_the_plain_network_loads_weights_of_the_training(net: ProgressiveUNet, image: Tensor, tmp_path: Path) -> None:
    torch.save(net.state_dict(), tmp_path / "model.pt")
    plain = DisplacementUNet(**net.settings)
    load_weights(plain, tmp_path / "model.pt")
    assert torch.equal(plain.eval()(image), net.eval()(image))
    torch.save(plain.state_dict(), tmp_path / "plain.pt")
    with pytest.raises(ValueError, match="do not fit the network"):  # it cannot grow from there
        load_weights(net, tmp_path / "plain.pt")
