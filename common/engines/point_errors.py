"""Target registration error of a registration of clouds, as MONAI's engines take it."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from monai.handlers import IgniteMetricHandler
from monai.utils import CommonKeys
from torch import Tensor

from common.metrics import target_registration_error
from common.spatial import scattered_spline


def point_metrics(scale_mm: Sequence[float], smoothing: float = 0.1) -> dict[str, IgniteMetricHandler]:
    """Build the metrics of a validation with `PointCloudBatch`, of one pair a batch.

    Args:
        scale_mm: see `common.transforms.PairCloudsd`.
        smoothing: see `common.spatial.scattered_spline`.

    Returns:
        `tre_mm`, the mean error at the landmarks that correspond, and `tre_before_mm`.
    """
    mean: Any = _mean
    shares = {"tre_mm": 1.0, "tre_before_mm": 0.0}
    return {
        name: IgniteMetricHandler(
            loss_fn=mean, output_transform=partial(_landmarks, scale_mm=scale_mm, smoothing=smoothing, share=share)
        )
        for name, share in shares.items()
    }


def _landmarks(
    output: Mapping[str, Any], scale_mm: Sequence[float], smoothing: float, share: float
) -> tuple[Tensor, Tensor]:
    """Where a share of the prediction takes the fixed landmarks, and the moving ones, `(1, L, 3)`, mm."""
    batch, scale = output[CommonKeys.LABEL], torch.tensor(scale_mm, dtype=torch.float64)
    keys = ("fixed_cloud", "fixed_keypoints", "moving_keypoints")
    cloud, fixed, moving = (batch[key][0].double().cpu() for key in keys)
    moved = output[CommonKeys.PRED][0].detach().double().cpu() * scale + batch["cloud_shift"][0].double().cpu()
    return (fixed + share * scattered_spline(cloud / scale, moved, fixed / scale, smoothing))[None], moving[None]


def _mean(warped: Tensor, moving: Tensor) -> Tensor:
    return target_registration_error(warped, moving).nanmean()
