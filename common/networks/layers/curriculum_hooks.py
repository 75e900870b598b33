"""What all curricula in a network have in common: a value, and hooks that are there while it is not zero.

Hooks leave names and weights alone: a checkpoint fits the network with and without them, and what is exported knows
nothing of them. MONAI has no such thing; a wrapper would change the names.
"""

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from numbers import Real
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from common.io import InputError, unwrap


class CurriculumHooks(ABC):
    """A change to a network in training mode, as strong as `value` says.

    In evaluation mode the network is itself: what is validated is what will be exported. Without a value it is itself
    in training, too, and costs what it costs. A deep copy of a network shares its curriculum. Compiled networks are
    compiled again when hooks come or go, and each hook is a break in their graph.

    Args:
        network: any; of one on several processes or of a compiled one the network inside.
        value: of the beginning; see the subclass for its meaning.

    Attributes:
        name: what the value is called where it is logged.

    Raises:
        TypeError: if the network is none.
        InputError: if the value, here or later, cannot be used.
    """

    name = ""
    limit = math.inf  # values are below it
    _value: float

    def __init__(self, network: nn.Module, value: float = 0.0) -> None:
        if not isinstance(network, nn.Module):
            raise TypeError(f"{type(self).__name__}() expects 'network' to be a torch.nn.Module, got {network!r}.")
        self.network = unwrap(getattr(network, "_orig_mod", network))
        self._handles: list[RemovableHandle] = []
        self.value = value

    @property
    def value(self) -> float:
        """How strong the change is."""
        return self._value

    @value.setter
    def value(self, value: float) -> None:
        if not isinstance(value, Real) or not 0 <= value < self.limit:
            rule = "of 0 or more" if self.limit == math.inf else f"from 0 to below {self.limit:g}"
            raise InputError(f"{type(self).__name__}() expects 'value' {rule}, got {value}.")
        self._value = float(value)
        if self._is_felt() == bool(self._handles):
            return
        if "torch._dynamo" in sys.modules:
            torch.compiler.reset()  # compiled code does not see hooks come and go
        for handle in self._handles:
            handle.remove()
        self._handles = list(self._insert()) if self._is_felt() else []

    def remove(self) -> None:
        """Leave the network; a value brings the curriculum back."""
        self.value = 0.0

    @abstractmethod
    def _is_felt(self) -> bool:
        """Whether the value changes anything."""

    @abstractmethod
    def _insert(self) -> Iterable[RemovableHandle]:
        """Register the hooks."""


def after(module: nn.Module, hook: Callable[..., Any]) -> RemovableHandle:
    """Let `hook(module, arguments, output)` follow a module; what it returns replaces the output."""

    @torch.compiler.disable
    def follow(module: nn.Module, arguments: tuple, named: dict[str, Any], output: Any) -> Any:
        return hook(module, (*arguments, *named.values()), output)

    return module.register_forward_hook(follow, with_kwargs=True)


def before(module: nn.Module, hook: Callable[..., Any]) -> RemovableHandle:
    """Let `hook(module, arguments)` precede a module; what it returns replaces the arguments, named ones too."""

    @torch.compiler.disable
    def precede(module: nn.Module, arguments: tuple, named: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
        changed = hook(module, (*arguments, *named.values()))
        if changed is None:
            return None
        return changed[: len(arguments)], dict(zip(named, changed[len(arguments) :], strict=True))

    return module.register_forward_pre_hook(precede, with_kwargs=True)
