from typing import Any

import pytest
import torch
from monai.networks.blocks import Convolution
from torch import nn
from torch.nn.utils.parametrize import register_parametrization

from common.networks.blocks import FoldingConvolution


@pytest.mark.parametrize("norm", ["BATCH", "INSTANCE", None])
@pytest.mark.parametrize("options", [{"kernel_size": 3}, {"kernel_size": 2, "strides": 2, "padding": 0}])
@pytest.mark.parametrize("dims", [2, 3])
def test_answers_are_those_of_monai(dims: int, options: dict, norm: str | None) -> None:
    torch.manual_seed(0)
    given = {"adn_ordering": "NA", "act": "ELU", "norm": norm, **options}
    theirs, ours = (kind(dims, 3, 4, **given) for kind in (Convolution, FoldingConvolution))
    image = torch.rand(2, 3, *(6, 8, 10)[:dims])
    theirs(5 * image + 1)  # running mean and variance that are not 0 and 1
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours.eval()(image), theirs.eval()(image))
    torch.testing.assert_close(ours.train()(image), theirs.train()(image))


def test_gradient_in_evaluation_mode() -> None:
    layer = FoldingConvolution(2, 2, 3, adn_ordering="NA", act="ELU", norm="BATCH").eval()
    layer(torch.rand(1, 2, 5, 6)).sum().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())


def layer_with_statistics(**options: Any) -> FoldingConvolution:
    """In evaluation mode, with a running mean and variance that are not 0 and 1."""
    torch.manual_seed(0)
    layer = FoldingConvolution(2, 2, 3, **{"adn_ordering": "NA", "act": "ELU", "norm": "BATCH", **options})
    layer(5 * torch.rand(2, 2, 8, 8) + 1)
    return layer.eval()


def answer_of_layers(layer: FoldingConvolution, image: torch.Tensor) -> torch.Tensor:
    return Convolution.forward(layer, image)


@pytest.mark.parametrize("kind", ["forward_pre", "forward", "full_backward_pre", "full_backward"])
@pytest.mark.parametrize("training", [False, True])
def test_every_hook_runs(training: bool, kind: str) -> None:
    layer = layer_with_statistics().train(training)
    called = []
    for name, module in layer.named_modules():
        getattr(module, f"register_{kind}_hook")(lambda *_, name=name: called.append(name))
    layer(torch.rand(1, 2, 5, 6, requires_grad=True)).sum().backward()
    assert sorted(called) == ["", "adn", "adn.A", "adn.N", "conv"]


def test_a_hook_for_all_modules_runs() -> None:
    layer, called = layer_with_statistics(), []
    handle = nn.modules.module.register_module_forward_hook(lambda module, *_: called.append(module))
    try:
        layer(torch.rand(1, 2, 5, 6))
    finally:
        handle.remove()
    assert {*layer.modules()} == {*called}


@pytest.mark.parametrize("path", ["conv", "adn.N", "adn"])
def test_a_hook_that_changes_the_answer_does_so_until_it_is_removed(path: str) -> None:
    layer, image = layer_with_statistics(), torch.rand(1, 2, 5, 6)
    before = layer(image)
    handle = layer.get_submodule(path).register_forward_hook(lambda module, given, answer: answer + 1)
    changed = layer(image)
    torch.testing.assert_close(changed, answer_of_layers(layer, image))
    assert not torch.allclose(changed, before)
    handle.remove()
    assert torch.equal(layer(image), before)


def test_parametrizations_count() -> None:
    class Doubled(nn.Module):
        def forward(self, tensor: torch.Tensor) -> torch.Tensor:
            return 2 * tensor

    layer, image = layer_with_statistics(), torch.rand(1, 2, 5, 6)
    before = layer(image)
    for name in ("conv", "adn.N"):
        register_parametrization(layer.get_submodule(name), "weight", Doubled())
    torch.testing.assert_close(layer(image), answer_of_layers(layer, image))
    assert not torch.allclose(layer(image), before)


@pytest.mark.parametrize("place", ["conv", "adn.N", "adn.A", "end of adn", "end"])
def test_inserted_layers_run(place: str) -> None:
    """As a curriculum that smooths behind a convolution puts them."""
    layer, image = layer_with_statistics(), torch.rand(1, 2, 5, 6)
    before, blur = layer(image), nn.AvgPool2d(3, 1, 1)
    if place.startswith("end"):
        end: Any = layer.adn if place == "end of adn" else layer
        end.append(blur)
    else:
        parent, _, name = place.rpartition(".")
        layer.get_submodule(parent).register_module(name, nn.Sequential(layer.get_submodule(place), blur))
    torch.testing.assert_close(layer(image), answer_of_layers(layer, image))
    assert not torch.allclose(layer(image), before)


@pytest.mark.parametrize("options", [{"bias": False}, {"is_transposed": True}, {"norm": ("BATCH", {"affine": False})}])
def test_what_cannot_be_folded_is_not(options: dict) -> None:
    layer, image = layer_with_statistics(**options), torch.rand(1, 2, 5, 6)
    torch.testing.assert_close(layer(image), answer_of_layers(layer, image))


def test_a_normalization_that_still_learns_is_not_folded() -> None:
    layer, image = layer_with_statistics(), torch.rand(1, 2, 5, 6)
    normalization: Any = layer.get_submodule("adn.N").train()
    before = normalization.running_mean.clone()
    layer(image)
    assert not torch.equal(normalization.running_mean, before)


def test_a_forward_that_was_replaced_runs() -> None:
    """As programs that move layers between devices hook in."""
    layer, image = layer_with_statistics(), torch.rand(1, 2, 5, 6)
    convolution: Any = layer.conv
    forward = convolution.forward
    convolution.forward = lambda given: forward(given) + 1
    torch.testing.assert_close(layer(image), answer_of_layers(layer, image))


def test_without_hooks_the_normalization_is_no_layer_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = layer_with_statistics()
    monkeypatch.setattr(nn.BatchNorm2d, "forward", None)
    assert layer(torch.rand(1, 2, 5, 6)).shape == (1, 3, 5, 6)
