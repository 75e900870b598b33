import pytest
import torch
from torch import Tensor, nn

from common.networks.layers import CurriculumDropout, quick_dropout


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("rate", [0.0, 0.003, 0.1, 0.25, 0.5, 0.9])
def test_dropped_share_and_mean(rate: float) -> None:
    calls = [quick_dropout(torch.ones(64, 1, 8, 8, 9), rate) for _ in range(40)]
    shares = torch.stack([(maps == 0).float().mean() for maps in calls])
    assert shares.mean().item() == pytest.approx(rate, abs=0.002)
    assert torch.stack(calls).mean().item() == pytest.approx(1.0, abs=0.01)
    for maps in calls:
        assert len(maps.unique()) <= 2


def test_every_value_is_dropped_by_itself() -> None:
    kept = torch.stack([quick_dropout(torch.ones(1, 2, 3, 5), 0.5).flatten() > 0 for _ in range(4000)]).float()
    correlation = torch.corrcoef(kept.T) - torch.eye(30)
    assert correlation.abs().max() < 5 / 4000**0.5
    assert (kept.mean(0) - 0.5).abs().max() < 0.04


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_gradient_is_dropped_alike(layout: torch.memory_format) -> None:
    maps = torch.rand(2, 3, 5, 7, 9).contiguous(memory_format=layout).requires_grad_()
    dropped = quick_dropout(maps, 0.3)
    assert dropped.stride() == maps.stride()
    weights = torch.rand(2, 3, 5, 7, 9)
    (gradient,) = torch.autograd.grad((dropped * weights).sum(), maps)
    torch.testing.assert_close(gradient, weights * dropped.detach() / maps.detach())


def test_takes_slices_and_half_precision() -> None:
    maps = torch.ones(4, 6, 8, 8, dtype=torch.bfloat16)[:, ::2]
    dropped = quick_dropout(maps, 0.5)
    assert dropped.dtype == torch.bfloat16
    assert set(dropped.unique().tolist()) == {0.0, 2.0}


def test_same_seed_same_values() -> None:
    maps = torch.rand(1, 2, 9, 9)
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        drawn.append(quick_dropout(maps, 0.5))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_other_devices_have_the_dropout_of_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda maps, rate, inplace: (maps.device.type, rate))
    assert quick_dropout(torch.zeros(2, device="meta"), 0.25) == ("meta", 0.25)


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(0.1), nn.LeakyReLU(0.1, inplace=True), nn.PReLU()])
def test_gradients_are_those_of_activation_then_dropout(activation: nn.Module) -> None:
    """Also where the output of the activation is changed in place."""
    last = nn.Conv2d(4, 2, 3)
    network = nn.Sequential(nn.Conv2d(1, 4, 3), activation, last).train()
    image = torch.rand(2, 1, 9, 9)
    seen: list[Tensor] = []
    last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    dropout = CurriculumDropout(network, 0.5)
    found = torch.autograd.grad(network(image).square().sum(), list(network.parameters()))
    kept = 2.0 * (seen[0] != 0)
    dropout.remove()
    answer = last(activation(network[0](image)) * kept)
    expected = torch.autograd.grad(answer.square().sum(), list(network.parameters()))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("activation", [nn.ELU(inplace=True), nn.SiLU(), nn.LeakyReLU(0.1), nn.PReLU(init=0.3)])
def test_dropped_are_activated_values(activation: nn.Module) -> None:
    seen: list[Tensor] = []
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), activation, nn.Conv2d(4, 2, 3)).train()
    network[3].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    image = torch.rand(2, 1, 16, 16)
    network(image)
    CurriculumDropout(network, 0.5)
    answer = network(image)
    kept = seen[1] != 0
    assert kept.float().mean().item() == pytest.approx(0.5, abs=0.05)
    torch.testing.assert_close(seen[1], 2 * seen[0] * kept)
    assert (answer == 0).sum() == 0


@pytest.mark.parametrize("value", [1.0, -0.1])
def test_rates_are_shares(value: float) -> None:
    with pytest.raises(ValueError, match=rf"CurriculumDropout\(\) expects 'value' from 0 to below 1, got {value}\."):
        CurriculumDropout(nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU()), value)
