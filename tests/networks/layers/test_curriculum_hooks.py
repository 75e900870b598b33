"""What holds for every curriculum, in every network there is: `CASES` takes a further one in one line."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from monai.data import MetaTensor
from monai.networks.nets import DynUNet, SegResNet, UNet, VoxelMorphUNet
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from common.networks.layers import CurriculumDropout, CurriculumHooks, CurriculumSmoothing, InputBlur
from common.networks.nets import (
    VTN,
    DIRNet,
    ProgressiveUNet,
    PyramidNet,
    SegmentationUNet,
    SelfTrainingFeatureNet,
    SymmetricGradientNet,
)

TOOLS = [InputBlur, CurriculumDropout, CurriculumSmoothing]


class Plain(nn.Module):
    """A network as people write it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 2, 3, padding=1)
        self.norm, self.act = nn.BatchNorm2d(4), nn.ReLU(inplace=True)

    def forward(self, image: Tensor) -> Tensor:
        return self.second(self.act(self.norm(self.first(image))))


# A network, the shape of its input, and how many of its convolutions belong to blocks
CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "plain": (Plain, (2, 2, 8, 8), 1),
    "dirnet": (lambda: DIRNet(channels=4, extra_convolutions=True), (2, 2, 32, 32), 8),
    "progressive": (lambda: ProgressiveUNet(base_channels=2, levels=3), (1, 2, 16, 16, 16), 10),
    "pyramid": (lambda: PyramidNet(widths=(4, 6), repetitions=1), (1, 2, 16, 16, 16), 11),
    "symmetric": (lambda: SymmetricGradientNet(multiplier=1, convolutions=(1, 1)), (1, 2, 16, 16, 16), 10),
    "vtn": (lambda: VTN((16, 16, 16), base_channels=2, levels=3), (1, 2, 16, 16, 16), 10),
    "segmenter": (lambda: SegmentationUNet(multiplier=1, convolutions=(1, 1)), (1, 1, 16, 16, 16), 10),
    "features": (lambda: SelfTrainingFeatureNet((4, 4, 4, 4, 4)), (2, 1, 16, 16, 16), 5),
    "voxelmorph": (lambda: VoxelMorphUNet(3, 2, 4, (4, 4, 4, 4), (4,)), (1, 2, 16, 16, 16), 6),
    "monai_unet": (lambda: UNet(2, 2, 2, (4, 8), (2,)), (2, 2, 16, 16), 2),
    "dynunet": (lambda: DynUNet(2, 2, 2, [3, 3, 3], [1, 2, 2], [2, 2]), (2, 2, 16, 16), 10),
    "segresnet": (lambda: SegResNet(2, 8, 2, 2, blocks_down=(1, 1), blocks_up=(1,)), (1, 2, 16, 16), 5),
}
networks = pytest.mark.parametrize("case", CASES)
tools = pytest.mark.parametrize("tool", TOOLS)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def first(answer: Any) -> Tensor:
    """The field, or whatever a network answers with."""
    return answer if isinstance(answer, Tensor) else answer[0]


def size(answer: Any) -> Tensor:
    """Something that every part of an answer has a share in."""
    parts = [answer] if isinstance(answer, Tensor) else [part for part in answer if isinstance(part, Tensor)]
    return torch.stack([part.square().mean() for part in parts]).sum()


@networks
@tools
def test_curriculum_acts_in_training_alone_and_goes_without_a_trace(case: str, tool: type[CurriculumHooks]) -> None:
    make, shape, _ = CASES[case]
    network = make().train()
    for parameter in network.parameters():  # heads that start at zero hide everything
        nn.init.normal_(parameter, 0.0, 0.1)
    names = list(network.state_dict())
    other, image = copy.deepcopy(network), torch.rand(shape)
    curriculum = tool(network, 0.5)
    assert list(network.state_dict()) == names
    answer, plain = network(image), other(image)
    assert not torch.equal(first(answer), first(plain))
    size(answer).backward()
    assert torch.stack([p.grad.abs().sum() for p in network.parameters() if p.grad is not None]).isfinite().all()
    other.load_state_dict(network.state_dict())
    torch.testing.assert_close(first(network.eval()(image)), first(other.eval()(image)))
    curriculum.remove()
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in network.modules())
    assert torch.equal(first(network.train()(image)), first(other.train()(image)))


@networks
@pytest.mark.parametrize("tool", [CurriculumDropout, CurriculumSmoothing])
def test_blocks_are_found_and_heads_left_alone(
    case: str, tool: type[CurriculumHooks], monkeypatch: pytest.MonkeyPatch
) -> None:
    make, shape, blocks = CASES[case]
    change = Mock(side_effect=lambda maps, **_: maps)
    monkeypatch.setattr(tool, "_change", change)
    network = make().train()
    tool(network, 0.5)
    network(torch.rand(shape))
    assert change.call_count == blocks


def test_smoothing_takes_little_memory() -> None:
    network = VoxelMorphUNet(3, 2, 8, (8, 16, 16, 16), (8, 8)).train()
    kept = {}
    for value in (0.0, 1.0):
        smoothing = CurriculumSmoothing(network, value)
        saved: dict[int, int] = {}

        def pack(tensor: Tensor, saved: dict[int, int] = saved) -> Tensor:
            saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            network(torch.rand(1, 2, 16, 16, 16))
        smoothing.remove()
        kept[value] = sum(saved.values())
    assert kept[1.0] <= 1.001 * kept[0.0]


@tools
def test_copies_and_scripts_of_a_network_in_a_curriculum_are_plain_in_evaluation(tool: type[CurriculumHooks]) -> None:
    network = DIRNet(channels=4).train()
    nn.init.normal_(list(network.parameters())[-2])
    tool(network, 0.5)
    image = torch.rand(1, 2, 32, 32)
    copied, scripted = copy.deepcopy(network).eval(), torch.jit.script(network)
    expected = network.eval()(image)
    torch.testing.assert_close(copied(image), expected)
    torch.testing.assert_close(scripted(image), expected)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # the compiler looks for it
@tools
def test_compiled_networks_see_curricula_come_and_go(tool: type[CurriculumHooks]) -> None:
    network = Plain().train()
    compiled: Any = torch.compile(network, backend="eager")
    image = torch.rand(1, 2, 8, 8)
    plain = compiled(image)
    curriculum = tool(compiled, 0.5)
    changed = []
    for value in (0.5, 0.4):
        curriculum.value = value
        torch.manual_seed(1)
        changed.append(compiled(image))
        torch.manual_seed(1)
        torch.testing.assert_close(changed[-1], network(image))
    assert not torch.allclose(changed[0], plain)
    assert not torch.allclose(changed[0], changed[1])
    curriculum.remove()
    torch.testing.assert_close(compiled(image), plain)


@tools
def test_curriculum_works_with_automatic_mixed_precision(tool: type[CurriculumHooks]) -> None:
    network = Plain().train()
    tool(network, 0.5)
    with torch.autocast("cpu", torch.bfloat16):
        answer = network(torch.rand(1, 2, 8, 8))
        answer.float().mean().backward()
    assert answer.dtype == torch.bfloat16
    assert network.first.weight.grad is not None
    assert network.first.weight.grad.isfinite().all()


@tools
def test_curriculum_takes_the_tensors_of_monai(tool: type[CurriculumHooks]) -> None:
    network, image = Plain().train(), torch.rand(1, 2, 8, 8)
    tool(network, 0.5)
    torch.manual_seed(1)
    expected = network(image)
    torch.manual_seed(1)
    torch.testing.assert_close(torch.as_tensor(network(MetaTensor(image))), expected, check_stride=False)


@pytest.fixture
def process_group(tmp_path: Path) -> Iterator[None]:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path / 'meet'}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("process_group")
@tools
def test_curriculum_gets_into_a_network_of_several_processes(tool: type[CurriculumHooks]) -> None:
    network = Plain().train()
    parallel, image = DistributedDataParallel(network), torch.rand(1, 2, 8, 8)
    plain = parallel(image)
    tool(parallel, 0.5)
    assert not torch.allclose(parallel(image), plain)
    parallel(image).mean().backward()


@tools
def test_arguments_may_be_named(tool: type[CurriculumHooks]) -> None:
    class Named(Plain):
        def forward(self, image: Tensor) -> Tensor:
            return self.second(self.act(input=self.norm(input=self.first(input=image))))

    network, image = Named().train(), torch.rand(1, 2, 8, 8)
    plain = network(image)
    tool(network, 0.5)
    torch.manual_seed(1)
    expected = network(image)
    torch.manual_seed(1)
    assert torch.equal(network(image=image), expected)
    assert not torch.equal(expected, plain)


@tools
def test_wrong_arguments_raise(tool: type[CurriculumHooks]) -> None:
    name: Any = "net"
    values: list[Any] = [-0.1, float("nan"), float("inf"), "abc", None]
    with pytest.raises(TypeError, match=rf"{tool.__name__}\(\) expects 'network' to be a torch.nn.Module, got 'net'\."):
        tool(name)
    for value in values:
        with pytest.raises(ValueError, match=rf"{tool.__name__}\(\) expects 'value' .*, got {value}\."):
            tool(Plain(), value)
