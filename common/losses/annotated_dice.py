"""Overlap where different data sets annotate different organs.

MONAI's `MaskedDiceLoss` masks voxels; what is missing here are whole organs, in some of the scans of a batch.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


class AnnotatedDiceLoss(nn.Module):
    r"""Soft Dice loss that asks of each scan only for the organs which its data set annotates.

    .. math::
        L = \frac{1}{K} \sum_{k=1}^{K} \frac{1}{|B_k|} \sum_{b \in B_k}
            1 - \frac{2 \sum_x p_{bk} t_{bk} + s}{\sum_x p_{bk}^2 + \sum_x t_{bk}^2 + s}

    where B_k are the scans of the batch that annotate organ k. An organ that none of them annotates contributes
    nothing, and the number of organs K stays what it is.

    Args:
        softmax: predictions are logits; without it they are probabilities.
        smooth: s.

    Raises:
        ValueError: if shapes do not fit, or a label is above the number of organs.

    Reference:
        Estienne et al., "Deep learning based registration using spatial gradients and noisy segmentation labels",
        Learn2Reg 2020, https://doi.org/10.1007/978-3-030-71827-5_11 -- released code.

    Example:
        >>> logits = torch.tensor([[[[9.0, -9.0]], [[-9.0, 9.0]]]])  # background, organ 1
        >>> batch = {"label": torch.tensor([[[[0, 1]]]]), "annotated": torch.tensor([[True]])}
        >>> round(AnnotatedDiceLoss()(logits, batch).item(), 4)
        0.0
    """

    def __init__(self, softmax: bool = True, smooth: float = 1.0) -> None:
        super().__init__()
        self.softmax = softmax
        self.smooth = smooth

    def forward(self, prediction: Tensor, batch: Mapping[str, Any]) -> Tensor:
        """Average over scans, then over organs.

        Args:
            prediction: `(B, K + 1, *spatial)`, background first.
            batch: `label`, `(B, 1, *spatial)`, whole numbers from 0 to K; `annotated`, `(B, K)`, whether the scan's
                data set has organ 1, 2, ...; all of them if absent.

        Returns:
            Scalar.
        """
        label = batch["label"].as_subclass(Tensor).long()
        organs = prediction.shape[1] - 1
        annotated = batch.get("annotated", torch.ones(len(prediction), organs))
        annotated = torch.as_tensor(annotated, device=prediction.device, dtype=torch.float32)
        _check(prediction, label, annotated)
        probability = prediction.float().softmax(dim=1) if self.softmax else prediction
        losses = torch.stack([self._loss(probability[:, k], label[:, 0] == k) for k in range(1, organs + 1)], dim=1)
        return (losses * annotated).sum(dim=0).div(annotated.sum(dim=0).clamp(min=1)).mean()

    def _loss(self, probability: Tensor, truth: Tensor) -> Tensor:
        """Of one organ in every scan, `(B,)`; `truth` is a mask."""
        axes = tuple(range(1, probability.ndim))
        both = (probability * truth).sum(dim=axes)
        sizes = probability.square().sum(dim=axes) + truth.sum(dim=axes)
        return 1 - (2 * both + self.smooth) / (sizes + self.smooth)


def _check(prediction: Tensor, label: Tensor, annotated: Tensor) -> None:
    count, classes, *spatial = prediction.shape
    for name, tensor, shape in (("label", label, (count, 1, *spatial)), ("annotated", annotated, (count, classes - 1))):
        if tensor.shape != shape:
            raise ValueError(f"AnnotatedDiceLoss() expects '{name}' of shape {shape}, got {tuple(tensor.shape)}.")
    if label.min() < 0 or label.max() >= classes:
        raise ValueError(
            f"AnnotatedDiceLoss() expects 'label' from 0 to {classes - 1}, got {int(label.min())} to "
            f"{int(label.max())}. Does the network have too few classes?"
        )
