"""How a batch of pairs reaches a network, a loss and a metric.

MONAI's engines know an image and a label; a pair has two of each, and a metric must warp before it compares.
"""

from collections.abc import Mapping
from typing import Any

import torch
from monai.utils import CommonKeys
from torch import Tensor

from common.io import InputError
from common.spatial import warp

Batch = dict[str, Any]


def move_batch(batch: Mapping[str, Any], device: torch.device | str, non_blocking: bool = False) -> Batch:
    """Bring a batch to a device, its tensors as plain ones."""
    return {
        key: value.as_subclass(Tensor).to(device, non_blocking=non_blocking) if isinstance(value, Tensor) else value
        for key, value in batch.items()
    }


def prepare_pair_batch(
    batch: Mapping[str, Any], device: torch.device | str, non_blocking: bool = False, **_: Any
) -> tuple[Tensor, Batch]:
    """Move a batch to the device and stack its images: the `prepare_batch` of MONAI's engines.

    Args:
        batch: `fixed_image`, `moving_image`, `(B, C, *spatial)`, and whatever the loss needs.
        device: where to.
        non_blocking: see `torch.Tensor.to`.

    Returns:
        The network's `image`, fixed channels first, and the batch on the device as plain tensors.

    Raises:
        InputError: if the images were not loaded.
    """
    if not isinstance(batch["fixed_image"], Tensor):
        raise InputError("The pairs hold names of images and no images: their preprocessing is expected to load them.")
    moved = move_batch(batch, device, non_blocking)
    return torch.cat([moved["fixed_image"], moved["moving_image"]], dim=1), moved


def warped_and_fixed_label(output: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Warp the moving label map by the prediction: the `output_transform` of overlap and distance metrics.

    Args:
        output: of an engine with `prepare_pair_batch` and without decollation.

    Returns:
        Warped and fixed label map, `(B, 1, *spatial)`.
    """
    batch = output[CommonKeys.LABEL]
    return warp(batch["moving_label"], predicted_ddf(output)[0], mode="nearest"), batch["fixed_label"]


def warped_and_fixed_image(output: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Warp the moving image by the prediction: the `output_transform` of a similarity.

    Args:
        output: of an engine with `prepare_pair_batch` and without decollation.

    Returns:
        Warped and fixed image, `(B, C, *spatial)`.
    """
    batch = output[CommonKeys.LABEL]
    return warp(batch["moving_image"], predicted_ddf(output)[0], padding="zeros"), batch["fixed_image"]


def moving_and_fixed_label(output: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Give the labels as they are: the `output_transform` of metrics before the registration.

    Args:
        output: of an engine with `prepare_pair_batch` and without decollation.

    Returns:
        Moving and fixed label map, `(B, 1, *spatial)`.
    """
    batch = output[CommonKeys.LABEL]
    return batch["moving_label"], batch["fixed_label"]


def predicted_ddf(output: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
    """Give the predicted field: the `output_transform` of metrics of a field alone.

    Args:
        output: of an engine with `prepare_pair_batch` and without decollation.

    Returns:
        Displacement, `(B, d, *spatial)`, voxels, twice: Ignite wants a prediction and a target.
    """
    prediction = output[CommonKeys.PRED]
    ddf: Tensor = getattr(prediction, "ddf", prediction)
    return ddf, ddf
