"""What a curriculum in a network cannot reach, seen while the network takes its first step of a training.

Hooks are on modules: a convolution, a normalization or an activation that a module calls as a function is none.
"""

import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.overrides import TorchFunctionMode

CONVOLUTIONS = (F.conv1d, F.conv2d, F.conv3d, F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
NEXT = (
    *(F.batch_norm, F.instance_norm, F.group_norm, F.layer_norm, F.relu, F.relu6, F.leaky_relu, F.prelu, F.elu, F.celu),
    *(F.selu, F.gelu, F.silu, F.mish, F.hardswish, F.softplus, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_),
)


class _Watch(TorchFunctionMode):
    """Notes which modules call convolutions as functions, or what follows one."""

    def __init__(self, is_fresh: Callable[[Tensor], bool], reached: tuple[type[nn.Module], ...]) -> None:
        super().__init__()
        self.is_fresh = is_fresh
        self.reached = (*reached, _ConvNd)
        self.found: dict[str, nn.Module] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = kwargs or {}
        if func in CONVOLUTIONS:
            weight = args[1] if len(args) > 1 else named["weight"]
            concerned = weight.requires_grad  # fixed ones, of splines, learn nothing
        else:
            concerned = func in NEXT and self.is_fresh(args[0] if args else named["input"])
        if concerned and not isinstance(caller := _caller(sys._getframe(1)), self.reached):
            self.found[func.__name__] = caller
        return func(*args, **named)


def warn_of_unreached(
    network: nn.Module,
    name: str,
    is_felt: Callable[[], bool],
    is_fresh: Callable[[Tensor], bool],
    reached: tuple[type[nn.Module], ...],
) -> None:
    """Watch the next step of a training in which a curriculum is felt, and warn if it reaches the network only in part.

    Args:
        network: whose modules have the curriculum's hooks.
        name: of the curriculum.
        is_felt: whether its value changes anything.
        is_fresh: whether a map comes straight out of a convolution.
        reached: modules that have hooks, or are passed.
    """
    watch = _Watch(is_fresh, reached)

    def begin(module: nn.Module, arguments: tuple) -> None:
        if module.training and is_felt() and not torch.compiler.is_compiling():
            watch.__enter__()
            started.append(True)

    def end(module: nn.Module, arguments: tuple, output: Any) -> None:
        if not started:
            return
        watch.__exit__(None, None, None)
        for handle in handles:
            handle.remove()
        names = {each: place for place, each in module.named_modules()}
        if watch.found:
            places = ", ".join(f"{func} in {names.get(by) or type(by).__name__}" for func, by in watch.found.items())
            warnings.warn(
                f"{name} changes {type(module).__name__} only in part: {places} is a function and no module. Name all "
                "'layers' that it is to change.",
                stacklevel=2,
            )

    started: list[bool] = []
    handles = [network.register_forward_pre_hook(begin), network.register_forward_hook(end, always_call=True)]


def _caller(frame: FrameType | None) -> nn.Module:
    """The module whose method is under way."""
    while frame is not None:
        if isinstance(owner := frame.f_locals.get("self"), nn.Module):
            return owner
        frame = frame.f_back
    return nn.Module()
