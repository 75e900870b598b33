from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from common.networks.blocks import RunningBatchNorm3d
from common.networks.nets import DisplacementUNet

SMALL = {"base_channels": 2, "levels": 3}


@pytest.mark.parametrize("shape", [(9, 10, 11), (9, 13), (1, 3, 8)])
@pytest.mark.parametrize("training", [True, False])
def test_network_takes_any_size_and_both_dimensions(shape: tuple[int, ...], training: bool) -> None:
    net = DisplacementUNet(len(shape), **SMALL).train(training)
    ddf = net(torch.rand(2, 2, *shape))
    assert ddf.shape == (2, len(shape), *shape)
    assert ddf.dtype == torch.float32
    assert ddf.is_contiguous()


def test_widths_are_those_of_the_paper() -> None:
    """Those of the 3-D U-Net halved, and one level more."""
    with torch.device("meta"):
        net = DisplacementUNet()
    sides: list[Any] = [net.encoders, net.decoders]
    encoders, decoders = (
        [[tuple(layer.conv.weight.shape[1::-1]) for layer in stage] for stage in stages] for stages in sides
    )
    assert encoders[:3] == [[(256, 256), (256, 512)], [(128, 128), (128, 256)], [(64, 64), (64, 128)]]
    assert encoders[3:] == [[(32, 32), (32, 64)], [(2, 16), (16, 32)]]
    assert decoders[:2] == [[(768, 256), (256, 256)], [(384, 128), (128, 128)]]
    assert decoders[2:] == [[(192, 64), (64, 64)], [(96, 32), (32, 32)]]
    assert [layer.weight.shape for layer in net.upsamplings] == [(w, w, 2, 2, 2) for w in (512, 256, 128, 64)]
    assert net.head.weight.shape == (3, 32, 1, 1, 1)
    slopes = {layer.negative_slope for layer in net.modules() if isinstance(layer, nn.LeakyReLU)}
    assert slopes == {0.01}
    assert sum(isinstance(layer, RunningBatchNorm3d) for layer in net.modules()) == 18


def test_weights_start_as_those_of_glorot() -> None:
    torch.manual_seed(0)
    net = DisplacementUNet(base_channels=8, levels=3)
    weight = net.get_parameter("decoders.0.0.conv.weight")
    assert weight.std().item() == pytest.approx((2 / (27 * (96 + 32))) ** 0.5, rel=0.02)
    assert net.head.bias.abs().max() == 0


def test_training_and_evaluation_of_one_scan_agree() -> None:
    """Once the running statistics are those of the scan: the network is made for batches of one."""
    torch.manual_seed(0)
    net, image = DisplacementUNet(**SMALL), torch.rand(1, 2, 8, 8, 8)
    for _ in range(150):
        trained = net(image)
    torch.testing.assert_close(net.eval()(image), trained, atol=1e-3, rtol=1e-3)


def test_padding_is_even_at_both_ends() -> None:
    torch.manual_seed(0)
    net, image = DisplacementUNet(**SMALL).eval(), torch.rand(1, 2, 6, 10, 14)
    padded = F.pad(image, (1, 1, 1, 1, 1, 1))
    torch.testing.assert_close(net(image), net(padded)[..., 1:-1, 1:-1, 1:-1])


def test_network_learns_a_shift() -> None:
    torch.manual_seed(0)
    scan = F.avg_pool2d(torch.rand(1, 1, 20, 20), 3, 1)
    image = torch.cat([scan[..., 1:-1, 2:], scan[..., 1:-1, 1:-1]], dim=1)  # fixed(x) = moving(x + 1) along axis 1
    net = DisplacementUNet(2, base_channels=4, levels=2)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.5)
    for _ in range(100):
        optimizer.zero_grad()
        (net(image) - torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)).square().mean().backward()
        optimizer.step()
    ddf = net.eval()(image)
    assert ddf[0, 1].mean().item() == pytest.approx(1, abs=0.1)
    assert ddf[0, 0].mean().item() == pytest.approx(0, abs=0.1)


def test_scripted_network_takes_any_size() -> None:
    net = DisplacementUNet(**SMALL).eval()
    scripted = torch.jit.script(net)
    for shape in ((8, 8, 8), (9, 14, 11)):
        image = torch.rand(1, 2, *shape)
        torch.testing.assert_close(scripted(image), net(image))


def test_wrong_arguments_raise() -> None:
    with pytest.raises(ValueError, match=r"DisplacementUNet\(\) expects 'image' of 2 channels, fixed then moving"):
        DisplacementUNet(**SMALL)(torch.rand(1, 1, 8, 8, 8))
    with pytest.raises(ValueError, match=r"expects 'levels' of 1 or more, got 0"):
        DisplacementUNet(levels=0)
