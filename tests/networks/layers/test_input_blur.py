from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from common.networks.layers import InputBlur
from common.spatial import gaussian_blur


class Recorder(nn.Module):
    """Keeps what it is called with."""

    def forward(self, *arguments: Any) -> Tensor:
        self.seen = arguments
        return torch.zeros(())


@pytest.fixture
def batch() -> dict[str, Tensor | str]:
    fixed, moving = torch.rand(2, 1, 1, 8, 9)
    return {"fixed_image": fixed, "moving_image": moving, "fixed_label": fixed.round(), "name": "case"}


def test_network_sees_blurred_images_and_nothing_else_blurred(batch: dict[str, Tensor]) -> None:
    network = Recorder().train()
    InputBlur(network, 1.0)
    label = torch.ones(1, 1, 4, 4, dtype=torch.int64)
    network(batch["fixed_image"], batch["moving_image"], label, torch.rand(3), "word")
    assert torch.equal(network.seen[0], gaussian_blur(batch["fixed_image"], 1.0))
    assert torch.equal(network.seen[1], gaussian_blur(batch["moving_image"], 1.0))
    assert network.seen[2] is label
    assert network.seen[4] == "word"
    network.eval()(batch["fixed_image"])
    assert network.seen[0] is batch["fixed_image"]


@pytest.mark.parametrize("blurred", [False, True])
def test_loss_sees_blurred_or_sharp_images(batch: dict[str, Tensor], blurred: bool) -> None:
    network, loss = Recorder().train(), Recorder()
    curriculum = InputBlur(network, 1.0, loss if blurred else None)
    loss("field", batch)
    _, seen = loss.seen
    assert isinstance(seen, Mapping)
    for key in ("fixed_image", "moving_image"):
        assert torch.equal(seen[key], gaussian_blur(batch[key], 1.0) if blurred else batch[key])
    assert seen["fixed_label"] is batch["fixed_label"]
    network.eval()
    loss("field", batch)
    assert loss.seen[1] is batch
    network.train()
    curriculum.remove()
    loss("field", batch)
    assert loss.seen[1] is batch


def test_half_precision_stays() -> None:
    network = Recorder().train()
    InputBlur(network, 1.0)
    network(torch.rand(1, 1, 4, 4).half())
    assert network.seen[0].dtype == torch.float16


def test_wrong_losses_raise(batch: dict[str, Tensor]) -> None:
    function: Any = torch.nn.functional.mse_loss
    with pytest.raises(TypeError, match=r"InputBlur\(\) expects 'loss' to be a torch.nn.Module, got <function"):
        InputBlur(nn.Conv2d(1, 1, 3), loss=function)
    loss = nn.MSELoss()
    InputBlur(nn.Conv2d(1, 1, 3).train(), 1.0, loss)
    with pytest.raises(TypeError, match=r"InputBlur\(\) expects its loss to be called with a batch, a dictionary, got"):
        loss(batch["fixed_image"], batch["moving_image"])
