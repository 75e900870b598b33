"""Curriculum by smoothing: a network in training sees its own maps blurred at first, and sharper by and by.

Smoothing the weights of the convolutions instead, which is the same away from the border, makes kernels of 5^3: dearer.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from common.io import InputError
from common.spatial import gaussian_smooth
from common.spatial.gaussian import IDENTITY

from .convolution_hooks import ACTIVATIONS, NORMALIZATIONS, ConvolutionHooks
from .curriculum_hooks import before


class CurriculumSmoothing(ConvolutionHooks):
    r"""Smooths the output of each convolution before its normalization or activation, in training mode.

    .. math:: h_i = \phi(G_\sigma * (w_i * h_{i-1}))

    See `common.spatial.gaussian_smooth`, which keeps no maps for the backward pass.

    Args:
        network, layers: see `ConvolutionHooks`, for errors, too.
        value: sigma in voxels of the maps; below 0.05 the network is itself.
        size: voxels of the Gaussian along each axis, 3 or 5; another is an InputError.

    Reference:
        Burduja and Ionescu, "Unsupervised medical image alignment with curriculum learning", ICIP 2021,
        https://doi.org/10.1109/ICIP42928.2021.9506067 -- equation (3).

    Example:
        >>> import torch
        >>> from common.handlers import linear
        >>> network = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1))
        >>> smoothing = CurriculumSmoothing(network)
        >>> for step in range(100):
        ...     smoothing.value = linear(step, start=1.0, end=0.0, over=50)
        ...     answer = network(torch.rand(1, 2, 8, 8))
        >>> smoothing.value, list(network.state_dict())
        (0.0, ['0.weight', '0.bias', '2.weight', '2.bias'])
    """

    name = "curriculum_smoothing"
    ends = (*NORMALIZATIONS, *ACTIVATIONS)

    def __init__(
        self, network: nn.Module, value: float = 0.0, layers: Sequence[str] | None = None, size: int = 3
    ) -> None:
        if size not in (3, 5):
            raise InputError(f"CurriculumSmoothing() expects 'size' of 3 or 5, got {size}.")
        self.size = size
        super().__init__(network, value, layers)

    def _is_felt(self) -> bool:
        return self.value >= IDENTITY

    def _end(self, module: nn.Module) -> RemovableHandle:
        return before(module, self._change_input)

    def _change(self, maps: Tensor) -> Tensor:
        return gaussian_smooth(maps, self.value, self.size)
