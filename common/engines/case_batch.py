"""How a batch of single scans reaches a segmentation network, its loss and its metric.

MONAI's `prepare_batch` hands a loss the label alone; here it must also know what the scan's data set annotates.
"""

from collections.abc import Mapping
from typing import Any

import torch
from monai.handlers import IgniteMetricHandler
from monai.utils import CommonKeys
from torch import Tensor

from common.metrics import LabelDice

from .batch import Batch, move_batch


def prepare_case_batch(
    batch: Mapping[str, Any], device: torch.device | str, non_blocking: bool = False, **_: Any
) -> tuple[Tensor, Batch]:
    """Move a batch to the device: the `prepare_batch` of MONAI's engines.

    Args:
        batch: `image`, `(B, C, *spatial)`, and whatever the loss needs.
        device: where to.
        non_blocking: see `torch.Tensor.to`.

    Returns:
        The image and the batch on the device as plain tensors.
    """
    moved = move_batch(batch, device, non_blocking)
    return moved["image"], moved


def predicted_and_true_label(output: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Give the label maps to compare, without organs the scan's data set does not annotate: an `output_transform`.

    Such an organ is in neither map, so that the metrics leave it out.

    Args:
        output: of an engine with `prepare_case_batch` and without decollation.

    Returns:
        Predicted and true label map, `(B, 1, *spatial)`.
    """
    batch, logits = output[CommonKeys.LABEL], output[CommonKeys.PRED]
    background = torch.ones(len(logits), 1, device=logits.device)
    known = torch.cat([background, batch["annotated"].to(background)], dim=1) > 0  # (B, classes)
    maps = logits.argmax(dim=1, keepdim=True), batch["label"].long()
    kept = [torch.stack([m * k[m] for m, k in zip(each, known, strict=True)]) for each in maps]
    return kept[0], kept[1]


def segmentation_metrics(organ_count: int) -> dict[str, IgniteMetricHandler]:
    """Build the metric of a segmentation: "dice", of the organs from 1 to their number that are annotated."""
    organs = range(1, organ_count + 1)
    return {"dice": IgniteMetricHandler(LabelDice(organs), output_transform=predicted_and_true_label)}
