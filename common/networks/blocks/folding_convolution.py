"""A convolution that takes its batch normalization in when it no longer learns.

MONAI's `Convolution` runs the normalization as a layer of its own in evaluation, too: on large images with few channels
that is more work than the convolution. `torch.nn.utils.fusion` makes new parameters, which cuts off the gradient.
"""

from typing import Any

import torch
import torch.nn.functional as F
from monai.networks.blocks import Convolution
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

CONVOLVE = {4: F.conv2d, 5: F.conv3d}


class FoldingConvolution(Convolution):
    r"""MONAI's `Convolution`, normalization before activation; in evaluation mode weights and bias are rescaled.

    .. math:: w' = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}} w, \quad
        b' = \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}} (b - \mu) + \beta

    Takes what `Convolution` takes, and has its `state_dict`. Without batch normalization it is the same.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Convolve.

        Args:
            image: `(B, C, *spatial)`, 2-D or 3-D.

        Returns:
            `(B, out_channels, *spatial)`.
        """
        adn: Any = getattr(self, "adn", None)
        norm: Any = getattr(adn, "N", None)
        if self.training or not isinstance(norm, _BatchNorm):
            answer: Tensor = super().forward(image)
            return answer
        conv: Any = self.conv
        variance: Any = norm.running_var
        scale = norm.weight * torch.rsqrt(variance + norm.eps)
        weight = conv.weight * scale.view(-1, *[1] * (image.ndim - 1))
        bias = (conv.bias - norm.running_mean) * scale + norm.bias
        convolved = CONVOLVE[image.ndim](image, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)
        activated: Tensor = adn.A(convolved)
        return activated
