"""Curriculum dropout: how much of its maps a network in training loses changes while it trains.

PyTorch's dropout draws a float a voxel on a CPU, which takes longer than a convolution of eight channels.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from common.spatial.pieces import pieces

from .convolution_hooks import ACTIVATIONS, NORMALIZATIONS, PASSAGES, ConvolutionHooks
from .curriculum_hooks import after, before

LEVELS = 2**8  # a byte is drawn for each value: quicker by far on a CPU than a number of its own

HOMOGENEOUS = (nn.ReLU, nn.LeakyReLU, nn.PReLU)  # to drop before or after them is the same
KEEPING_INPUT = (nn.LeakyReLU, nn.PReLU)  # for their backward pass, and not their output


class CurriculumDropout(ConvolutionHooks):
    r"""Drops single values after the activation of each convolution, in training mode.

    In the paper the rate decreases linearly; that of Morerio et al. increases, see `common.handlers.approach`; one that
    stays is plain dropout.

    Args:
        network, layers: see `ConvolutionHooks`, for errors, too.
        value: rate, share of the values that are dropped, from 0 to below 1.

    Reference:
        Burduja and Ionescu, "Unsupervised medical image alignment with curriculum learning", ICIP 2021,
        https://doi.org/10.1109/ICIP42928.2021.9506067; Morerio et al., "Curriculum dropout", ICCV 2017,
        https://arxiv.org/abs/1703.06229.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
        >>> dropout = CurriculumDropout(network, 0.5)  # plain dropout
        >>> dropout.value = 0.25
        >>> dropout.remove()
    """

    name = "curriculum_dropout"
    passages = (*PASSAGES, *NORMALIZATIONS)
    ends = ACTIVATIONS
    limit = 1.0

    def _is_felt(self) -> bool:
        return self.value > 0

    def _end(self, module: nn.Module) -> RemovableHandle:
        if isinstance(module, HOMOGENEOUS) and not _leaves_output(module):
            return before(module, self._change_input)  # which takes less memory
        return after(module, self._change_activated)

    def _change(self, maps: Tensor, inplace: bool = False) -> Tensor:
        return quick_dropout(maps, self.value, inplace)

    def _change_activated(self, module: nn.Module, arguments: tuple, output: Tensor) -> Tensor | None:
        if not module.training or not self._is_fresh(arguments[0], output):
            return None
        return self._change(output.as_subclass(Tensor), inplace=_leaves_output(module))


def _leaves_output(module: nn.Module) -> bool:
    """Whether nobody needs what an activation gives but who comes next: it can be changed in place."""
    return isinstance(module, KEEPING_INPUT) and not getattr(module, "inplace", False)


def quick_dropout(maps: Tensor, rate: float, inplace: bool = False) -> Tensor:
    """Set values to zero at random and scale up the others, so that the mean stays.

    On a CPU a byte is drawn for each value and kept for the backward pass. The rate of a call is one of the two
    multiples of 1 / 256 around the rate, at random, such that it is the rate on average, and others are scaled by what
    was drawn. Elsewhere it is PyTorch's dropout.

    Args:
        maps: any shape, floating point.
        rate: share of zeros, from 0 to below 1.
        inplace: change the maps themselves.

    Returns:
        The same shape and type.
    """
    if maps.device.type != "cpu":
        return F.dropout(maps, rate, inplace=inplace)
    level = min(int(LEVELS * rate + float(torch.rand(()))), LEVELS - 1)
    dropped: Tensor = _Dropout.apply(maps, level, inplace)
    return dropped


class _Dropout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, level: int, inplace: bool) -> Tensor:
        kept = torch.empty(-(-maps.numel() // 8), dtype=torch.int64).random_(-(2**63), None).view(torch.int8)
        kept.ge_(level - LEVELS // 2)
        kept = kept.as_strided(maps.shape, torch.empty_like(maps, device="meta").stride())  # in the order of memory
        ctx.scale = LEVELS / (LEVELS - level)
        ctx.save_for_backward(kept)
        if inplace:
            ctx.mark_dirty(maps)
        return _scaled(kept, ctx.scale, maps, maps if inplace else torch.empty_like(kept, dtype=maps.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (kept,) = ctx.saved_tensors
        return _scaled(kept, ctx.scale, gradient, torch.empty_like(kept, dtype=gradient.dtype)), None, None


def _scaled(kept: Tensor, scale: float, values: Tensor, scaled: Tensor) -> Tensor:
    """Write kept values times the scale, 0 for others; bytes become numbers quicker than truth values do."""
    for piece, bytes_, numbers in pieces(scaled, kept, values):
        torch.mul(numbers, bytes_.to(values.dtype).mul_(scale), out=piece)
    return scaled
