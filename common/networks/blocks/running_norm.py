"""Batch normalization by the running statistics, in training too: for batches of one scan.

PyTorch's normalizes a training batch by its own statistics, so that training and evaluation of a single scan differ.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RunningBatchNorm3d(nn.BatchNorm3d):
    r"""Normalizes by the running mean and variance, which a training batch updates first.

    .. math:: y = \gamma \frac{x - \mu}{\sigma} + \beta
        = \gamma \left( \frac{x - \mu_B}{\sigma_B} r + d \right) + \beta, \quad
        r = \frac{\sigma_B}{\sigma}, \quad d = \frac{\mu_B - \mu}{\sigma}

    Both are the same number. The gradient is that of the second, with r and d as constants: it flows through the
    statistics B of the batch. With that of the first nothing keeps weights from growing, as the
    statistics undo it: Ioffe & Szegedy, "Batch normalization", ICML 2015, section 2. Has the `state_dict` of PyTorch's
    layer, and its arguments: the momentum is a number, and weights and statistics are there.

    Reference:
        Eppenhof et al., "Progressively trained convolutional neural networks for deformable image registration", TMI
        2020, https://doi.org/10.1109/TMI.2019.2953788 -- section II, which does not speak of gradients; those are of
        Ioffe, "Batch renormalization", NeurIPS 2017, algorithm 1, without its limits of r and d.
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
    if not layer.training or image.is_meta:  # which has no numbers to measure
        running = layer.running_mean, layer.running_var
        return F.batch_norm(image, *running, layer.weight, layer.bias, False, 0.0, layer.eps)
    with torch.no_grad():
        mean, variance = torch.batch_norm_update_stats(image, layer.running_mean, layer.running_var, layer.momentum)
        layer.num_batches_tracked += 1
        per_sigma = torch.rsqrt(layer.running_var + layer.eps)
        r = torch.sqrt(variance + layer.eps) * per_sigma
        d = (mean - layer.running_mean) * per_sigma
    return F.batch_norm(image, None, None, layer.weight * r, layer.bias + layer.weight * d, True, 0.0, layer.eps)
