"""Curricula that change the maps after convolutions, wherever a network has them.

Which convolutions those are is seen from where their outputs go: a map that goes straight into a normalization or an
activation is one of a block; a field or a score, which does not, is left alone.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from weakref import WeakValueDictionary

from monai.networks.blocks import MemoryEfficientSwish, Swish
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.utils.hooks import RemovableHandle

from common.io import InputError

from .curriculum_hooks import CurriculumHooks, after
from .unreached import warn_of_unreached

NORMALIZATIONS = (_NormBase, nn.GroupNorm, nn.LayerNorm)
# of hidden layers: what a sigmoid, tanh or softmax gives is an answer
ACTIVATIONS = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Hardswish, nn.Softplus, Swish, MemoryEfficientSwish),
)
PASSAGES = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.Dropout3d)


class ConvolutionHooks(CurriculumHooks):
    """Changes maps between a convolution, or a transposed one, and what comes next.

    Args:
        network, value: see `CurriculumHooks`.
        layers: names of the modules whose outputs are changed, as `named_modules` has them: for networks whose
            activations are functions and not modules. By default they are found; the first step of a training warns
            of convolutions, normalizations and activations that are functions, which no hook reaches.

    Raises:
        TypeError: see `CurriculumHooks`.
        InputError: see there; or if a name is not one of a module, or no place is found.
    """

    passages: tuple[type[nn.Module], ...] = PASSAGES
    ends: tuple[type[nn.Module], ...] = ()

    def __init__(self, network: nn.Module, value: float = 0.0, layers: Sequence[str] | None = None) -> None:
        self.layers = layers
        self._fresh: WeakValueDictionary[tuple[int, int], Tensor] = WeakValueDictionary()
        super().__init__(network, value)
        modules = dict(self.network.named_modules())
        if unknown := sorted(set(layers or ()) - set(modules)):
            raise InputError(f"{type(self).__name__}() finds no layer {unknown[0]} in {type(self.network).__name__}.")
        if layers is None and not all(
            any(isinstance(module, kinds) for module in modules.values()) for kinds in (_ConvNd, self.ends)
        ):
            raise InputError(
                f"{type(self).__name__}() finds no convolution with an activation in {type(self.network).__name__}: "
                "name 'layers' where activations are functions and not modules."
            )
        if layers is None:
            reached = (*NORMALIZATIONS, *ACTIVATIONS, *self.passages)
            warn_of_unreached(self.network, type(self).__name__, self._is_felt, self._is_fresh, reached)

    def _insert(self) -> Iterator[RemovableHandle]:
        for name, module in self.network.named_modules():
            if self.layers is not None:
                if name in self.layers:
                    yield after(module, self._change_output)
            elif isinstance(module, self.ends):
                yield self._end(module)
            elif isinstance(module, _ConvNd):
                yield after(module, self._note_output)
            elif isinstance(module, self.passages):
                yield after(module, self._pass_on)

    @abstractmethod
    def _end(self, module: nn.Module) -> RemovableHandle:
        """Hook the module behind a convolution."""

    @abstractmethod
    def _change(self, maps: Tensor) -> Tensor:
        """Give changed maps."""

    def _is_fresh(self, tensor: Tensor, output: Tensor | None = None) -> bool:
        """Whether a tensor comes, or before it was made this output in place came, straight out of a convolution."""
        return self._fresh.get(_state(tensor, int(output is tensor))) is tensor

    def _note_output(self, module: nn.Module, arguments: tuple, output: Tensor) -> None:
        if module.training:
            self._fresh[_state(output)] = output

    def _pass_on(self, module: nn.Module, arguments: tuple, output: Tensor) -> None:
        if self._is_fresh(arguments[0], output):
            self._note_output(module, arguments, output)

    def _change_input(self, module: nn.Module, arguments: tuple) -> tuple | None:
        if not self._is_fresh(arguments[0]):
            return None
        return self._change(arguments[0].as_subclass(Tensor)), *arguments[1:]

    def _change_output(self, module: nn.Module, arguments: tuple, output: Tensor) -> Tensor | None:
        return self._change(output.as_subclass(Tensor)) if module.training else None


def _state(tensor: Tensor, changes: int = 0) -> tuple[int, int]:
    """Tells a tensor from others, and from itself after some changes in place."""
    return id(tensor), 0 if tensor.is_inference() else tensor._version - changes
