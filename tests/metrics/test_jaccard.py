"""Jaccard index of label maps, by label."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from monai.metrics import MeanIoU
from scipy.spatial.distance import jaccard

from common.metrics import LabelDice, LabelJaccard
from common.spatial import warp


def label_maps() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    warped, fixed = (torch.randint(0, 4, (2, 1, 5, 6, 7), generator=generator) for _ in range(2))
    return warped, fixed


def test_jaccard_matches_scipy_and_monai() -> None:
    warped, fixed = label_maps()
    metric = LabelJaccard([1, 2, 3])
    scores: Any = metric(warped, fixed)
    for case in range(2):
        for label in (1, 2, 3):
            masks = ((labels[case] == label).numpy().ravel() for labels in (warped, fixed))
            np.testing.assert_allclose(scores[case, label - 1], 1 - jaccard(*masks))
    channels = (torch.cat([labels == label for label in range(4)], dim=1) for labels in (warped, fixed))
    torch.testing.assert_close(scores.float(), MeanIoU(include_background=False)(*channels))
    torch.testing.assert_close(metric.aggregate().double(), scores.mean()[None])


def test_label_of_one_map_alone_is_0_and_of_none_nan() -> None:
    warped, fixed = torch.tensor([[[1, 1, 0]]]), torch.tensor([[[1, 0, 2]]])
    np.testing.assert_allclose(LabelJaccard([1, 2, 3])(warped, fixed), [[0.5, 0, np.nan]])


def test_scores_are_those_of_the_volume_tweening_network(oracle: Callable) -> None:
    """Which warps masks of 0 and 255 linearly."""
    recorded = oracle("000_vtn_ops")
    tensors = {name: torch.from_numpy(recorded[name]).movedim(-1, 1) for name in ("seg1", "seg2", "flow_inside")}
    warped = warp(tensors["seg2"].float(), tensors["flow_inside"])
    np.testing.assert_allclose(warped.movedim(1, -1), recorded["warped_seg"], atol=1e-3)
    masks = [(each > 128).int() for each in (warped, tensors["seg1"])]
    for metric, name in ((LabelDice([1]), "dice"), (LabelJaccard([1]), "jaccard")):
        scores: Any = metric(*masks)
        np.testing.assert_allclose(scores[:, 0], recorded[name], atol=1e-4)
