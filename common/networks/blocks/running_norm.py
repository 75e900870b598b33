"""Batch normalization by the running statistics, in training too: for batches of one scan.

PyTorch's normalizes a training batch by its own statistics, so that training and evaluation of a single scan differ.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RunningBatchNorm3d(nn.BatchNorm3d):
    r"""Normalizes by the running mean and variance, which a training batch updates first.

    .. math:: y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta

    No gradient flows through the statistics. Takes what PyTorch's layer takes, and has its `state_dict`.

    Reference:
        Eppenhof et al., "Progressively trained convolutional neural networks for deformable image registration", TMI
        2020, https://doi.org/10.1109/TMI.2019.2953788 -- section II.
    """

    def forward(self, image: Tensor) -> Tensor:
        """Normalize.

        Args:
            image: `(B, C, H, W, D)`.

        Returns:
            The same shape.
        """
        return _normalize(self, image)


class RunningBatchNorm2d(nn.BatchNorm2d):
    """`RunningBatchNorm3d` in 2-D."""

    def forward(self, image: Tensor) -> Tensor:
        """Normalize.

        Args:
            image: `(B, C, H, W)`.

        Returns:
            The same shape.
        """
        return _normalize(self, image)


RUNNING_NORM: dict[int, Any] = {2: RunningBatchNorm2d, 3: RunningBatchNorm3d}


def _normalize(layer: Any, image: Tensor) -> Tensor:
    if layer.training:
        with torch.no_grad():
            torch.batch_norm_update_stats(image, layer.running_mean, layer.running_var, layer.momentum)
            layer.num_batches_tracked += 1
    # Copies: a second batch before the backward pass of the first must not change what that one needs.
    mean, variance = layer.running_mean.clone(), layer.running_var.clone()
    return F.batch_norm(image, mean, variance, layer.weight, layer.bias, False, 0.0, layer.eps)
