"""A convolution that takes its batch normalization in when it no longer learns.

MONAI's `Convolution` runs the normalization as a layer of its own in evaluation, too: on large images with few channels
that is more work than the convolution. `torch.nn.utils.fusion` makes new parameters, which cuts off the gradient.
"""

from typing import Any

import torch
import torch.nn.functional as F
from monai.networks.blocks import Convolution
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from .running_norm import RunningBatchNorm2d, RunningBatchNorm3d

CONVOLVE = {nn.Conv2d: F.conv2d, nn.Conv3d: F.conv3d}
NORMS = (nn.BatchNorm2d, nn.BatchNorm3d, RunningBatchNorm2d, RunningBatchNorm3d)
HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


class FoldingConvolution(Convolution):
    r"""MONAI's `Convolution`, normalization before activation; in evaluation mode weights and bias are rescaled.

    .. math:: w' = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}} w, \quad
        b' = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}} (b - \mu) + \beta

    Takes what `Convolution` takes, and has its `state_dict`. Where a layer is not as it was made (a hook, a
    parametrization, another layer in its place or beside it), and without batch normalization, it is the same.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Convolve.

        Args:
            image: `(B, C, *spatial)`, 2-D or 3-D.

        Returns:
            `(B, out_channels, *spatial)`.
        """
        if self.training or not self._is_foldable():
            answer: Tensor = super().forward(image)
            return answer
        conv, adn = self._layers()
        norm = adn.N
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        weight = conv.weight * scale.view(-1, *[1] * (image.ndim - 1))
        bias = (conv.bias - norm.running_mean) * scale + norm.bias
        convolve = CONVOLVE[type(conv)]
        activated: Tensor = adn.A(convolve(image, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups))
        return activated

    def _is_foldable(self) -> bool:
        """Whether nothing but a convolution, a normalization with fixed statistics and an activation would run."""
        if [*self._modules] != ["conv", "adn"] or _has_any_global_hook():
            return False
        conv, adn = self._layers()
        if [*adn._modules] != ["N", "A"]:
            return False
        norm = adn.N
        if type(conv) not in CONVOLVE or type(norm) not in NORMS or norm.training:
            return False
        layers = (conv, adn, norm)
        changed = any(getattr(layer, hooks) for layer in layers for hooks in HOOKS)
        changed |= any("forward" in vars(layer) for layer in layers)
        return not changed and all(tensor is not None for tensor in (conv.bias, norm.weight, norm.running_var))

    def _layers(self) -> tuple[Any, Any]:
        return self.conv, self.adn
