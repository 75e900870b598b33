from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from monai.networks.nets import VoxelMorphUNet
from torch import nn

from common.networks.nets import VTN, TweenedPrediction
from common.spatial import compose, warp

SIZE = (8, 16, 24)
TINY: dict[str, Any] = {"spatial_size": SIZE, "base_channels": 1, "levels": 3}


class Answers(nn.Module):
    """Answers with one field after the other, and keeps what it was shown."""

    def __init__(self, *answers: object) -> None:
        super().__init__()
        self.answers = list(answers)
        self.seen: list[torch.Tensor] = []

    def forward(self, image: torch.Tensor) -> object:
        self.seen.append(image)
        return self.answers.pop(0)


def field(seed: int, size: tuple[int, ...] = SIZE) -> torch.Tensor:
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_after_the_affine_map_the_composition_is_exact(oracle: Callable) -> None:
    recorded = oracle("000_vtn_ops")
    tensors = {name: torch.from_numpy(recorded[name]).movedim(-1, 1) for name in ("flow_inside", "affine_flow")}
    network = VTN((16, 16, 16), base_channels=1, levels=2).eval()
    network.spatial_size = tuple(recorded["img1"].shape[1:-1])
    matrix = torch.from_numpy(recorded["W"]) + torch.eye(3)
    network.add_module("affine", Answers((matrix, tensors["affine_flow"])))
    network.cascades = nn.ModuleList([Answers(tensors["flow_inside"])])
    image = torch.from_numpy(np.concatenate([recorded["img1"], recorded["img2"]], axis=-1)).movedim(-1, 1)
    np.testing.assert_allclose(network(image).movedim(1, -1), recorded["composed_affine"], atol=1e-4)


def test_further_cascades_compose_as_the_released_code(oracle: Callable) -> None:
    recorded = oracle("000_vtn_ops")
    flow, before = (torch.from_numpy(recorded[name]).movedim(-1, 1) for name in ("flow_inside", "flow_prev"))
    np.testing.assert_allclose(compose(flow, before).movedim(1, -1), recorded["composed_flow"], atol=1e-4)


@pytest.mark.parametrize(("cascades", "repetitions"), [(3, 1), (1, 3)])
def test_every_subnetwork_sees_the_original_warped_once_by_all_before(cascades: int, repetitions: int) -> None:
    network = VTN(**TINY, cascades=cascades, repetitions=repetitions).eval()
    image = torch.rand(1, 2, *SIZE)
    affine = field(0)
    flows = [field(n) for n in (1, 2, 3)]
    network.add_module("affine", Answers((torch.eye(3)[None], affine)))
    answers = [flows] if cascades == 1 else [[flow] for flow in flows]
    cascade = [Answers(*each) for each in answers]
    network.cascades = nn.ModuleList(cascade)
    ddf = network(image)
    expected, seen = affine, [image for each in cascade for image in each.seen]
    for number, flow in enumerate(flows):
        torch.testing.assert_close(seen[number], torch.cat([image[:, :1], warp(image[:, 1:], expected)], dim=1))
        share = flow / cascades
        expected = share + (affine if number == 0 else warp(expected, share))
    torch.testing.assert_close(ddf, expected)


def test_training_answers_with_all_that_leads_to_the_field() -> None:
    network = VTN(**TINY, cascades=2, repetitions=2)
    image = torch.rand(2, 2, *SIZE)
    prediction = network(image)
    assert isinstance(prediction, TweenedPrediction)
    assert prediction[0] is prediction.ddf
    assert prediction.affine.shape == (2, 3, 3)
    assert [each.shape for each in (prediction.affine_ddf, *prediction.flows)] == [(2, 3, *SIZE)] * 5
    prediction.ddf.sum().backward()
    assert all(parameter.grad is not None for parameter in network.affine.parameters())
    torch.testing.assert_close(network.eval()(image), prediction.ddf)


def test_cascades_have_their_own_weights_and_repetitions_share_them() -> None:
    settings: dict[str, dict[str, Any]] = {"one": {}, "two": {"cascades": 2}, "twice": {"repetitions": 2}}
    networks = {key: VTN(**TINY, **options) for key, options in settings.items()}
    count = {key: sum(p.numel() for p in network.cascades.parameters()) for key, network in networks.items()}
    assert count["two"] == 2 * count["one"]
    assert count["twice"] == count["one"]


def test_voxelmorph_of_monai_can_be_the_base() -> None:
    made: list[nn.Module] = []

    def base() -> nn.Module:
        made.append(VoxelMorphUNet(3, 2, 4, (2, 4, 4, 4), (4,)))
        return made[-1]

    network = VTN(**TINY, cascades=2, base=base)
    assert list(network.cascades) == made
    prediction = network(torch.rand(1, 2, *SIZE))
    assert all(0 < flow.detach().abs().max() < 1e-3 for flow in prediction.flows)


def test_network_scripts_and_traces_to_itself() -> None:
    network = VTN(**TINY, cascades=2).eval()
    image = torch.rand(1, 2, *SIZE)
    scripted = torch.jit.script(network)
    with torch.no_grad():
        torch.testing.assert_close(scripted(image), network(image))


def test_2d() -> None:
    assert VTN((8, 16), base_channels=1, levels=2).eval()(torch.rand(1, 2, 8, 16)).shape == (1, 2, 8, 16)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spatial_size": (48, 64, 64)}, r"multiples of 64, as its 6 levels each halve the image, got \(48, 64, 64\)"),
        ({"spatial_size": (64,)}, r"two or three multiples of 64"),
        ({**TINY, "levels": 1}, r"'levels' of 2 or more.* got 1, 1 and 1"),
        ({**TINY, "cascades": 0}, r"'cascades' and 'repetitions' of 1 or more, got 3, 0 and 1"),
        ({**TINY, "base": "abc"}, r"'base' that makes a network, a \"_mode_\" of \"callable\", got 'abc'"),
        ({**TINY, "base": torch.nn.Conv3d(2, 3, 3)}, r"'base' that makes a network, .*, got Conv3d\(2, 3"),
    ],
)
def test_settings_that_do_not_fit_are_told(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VTN(**options)


@pytest.mark.parametrize("shape", [(1, 2, 8, 16, 16), (1, 3, *SIZE)])
def test_other_images_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"VTN\(\) expects 'image' of shape \(B, 2, 8, 16, 24\), fixed then moving"):
        VTN(**TINY)(torch.zeros(shape))
