"""Overlap of label maps, by label."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.metrics import compute_dice

from common.metrics import LabelDice, dice30, dice_per_label

FIXED = torch.tensor([[0, 1, 1, 2], [0, 1, 2, 2], [0, 0, 0, 5]])
WARPED = torch.tensor([[0, 1, 2, 2], [1, 1, 0, 2], [0, 0, 0, 7]])


def label_map(seed: int) -> torch.Tensor:
    return torch.randint(0, 5, (5, 6, 7), generator=torch.Generator().manual_seed(seed))


def test_dice_per_label_value() -> None:
    assert dice_per_label(WARPED, FIXED) == pytest.approx({1: 4 / 6, 2: 4 / 6, 5: 0.0, 7: 0.0})


def test_dice_per_label_same_map_is_one() -> None:
    assert dice_per_label(FIXED, FIXED) == {1: 1.0, 2: 1.0, 5: 1.0}


def test_dice_per_label_missing_from_both_is_nan() -> None:
    scores = dice_per_label(WARPED, FIXED, labels=[2, 3, 5, 9])
    assert list(scores) == [2, 3, 5, 9]
    assert np.isnan([scores[3], scores[9]]).all()
    assert scores[5] == 0


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64, torch.float32])
def test_dice_per_label_any_number_type(dtype: torch.dtype) -> None:
    assert dice_per_label(WARPED.to(dtype), FIXED.to(dtype)) == dice_per_label(WARPED, FIXED)


def test_dice_per_label_masks_arrays_and_meta_tensors() -> None:
    expected = dice_per_label(WARPED, FIXED)
    assert dice_per_label(WARPED.numpy(), FIXED.numpy()) == expected
    assert dice_per_label(MetaTensor(WARPED.float()), MetaTensor(FIXED.float())) == expected
    assert dice_per_label(WARPED == 1, FIXED == 1) == {1: pytest.approx(4 / 6)}


def test_dice_per_label_matches_monai() -> None:
    fixed, warped = label_map(0), label_map(1)
    prediction, reference = (torch.nn.functional.one_hot(x, 5).movedim(-1, 0)[None] for x in (warped, fixed))
    expected = compute_dice(prediction, reference, include_background=False)[0]
    np.testing.assert_allclose(list(dice_per_label(warped, fixed).values()), expected, rtol=1e-6)


def test_dice_per_label_matches_the_released_code(oracle: Callable[[str], dict[str, np.ndarray]]) -> None:
    recorded = oracle("003_metrics")
    scores = dice_per_label(recorded["seg_warped"], recorded["seg_fixed"], range(1, 14))
    np.testing.assert_allclose(np.nan_to_num(list(scores.values())), recorded["dice_1_13"], atol=1e-6)


@pytest.mark.parametrize(
    ("fixed", "warped", "message"),
    [
        (FIXED, WARPED.T, r"'warped_label' of shape \(3, 4\), got \(4, 3\).*Warp the moving label"),
        (FIXED, WARPED / 2, "'warped_label' of whole numbers, got values in between.*nearest"),
        (-FIXED, WARPED, "'fixed_label' without negative labels, got -5"),
    ],
)
def test_dice_per_label_rejects(fixed: torch.Tensor, warped: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dice_per_label(warped, fixed)


def test_dice30_matches_the_released_code(oracle: Callable[[str], dict[str, np.ndarray]]) -> None:
    recorded = oracle("001_metrics_hd95_dice30")
    assert dice30(recorded["pair_dice"], percentile=True) == pytest.approx(recorded["dice30_quantile03"], abs=1e-6)


def test_dice30_is_the_mean_of_the_lowest_as_in_the_paper() -> None:
    scores = [0.9, 0.1, 0.8, 0.3, float("nan"), 0.7, 0.6, 0.2, 0.5, 0.4, 1.0]
    assert dice30(scores) == pytest.approx((0.1 + 0.2 + 0.3) / 3)
    assert dice30(scores, percentile=True) == pytest.approx(0.37)
    assert dice30([0.5, 0.25]) == 0.25


@pytest.mark.parametrize("scores", [[], [float("nan")]])
def test_dice30_rejects_nothing(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="'scores' with at least one number"):
        dice30(scores)


def test_label_dice_averages_over_cases_without_missing_labels() -> None:
    metric = LabelDice(labels=[1, 2, 3])
    batch = torch.stack([WARPED, FIXED])[:, None], torch.stack([FIXED, FIXED])[:, None]
    scores: Any = metric(*batch)
    assert scores.shape == (2, 3)
    assert scores[:, 2].isnan().all()
    metric(y_pred=[WARPED[None]], y=[FIXED[None]])
    assert metric.aggregate("none").shape == (3, 3)
    assert metric.aggregate("mean_batch")[0].item() == pytest.approx((4 / 6 + 1 + 4 / 6) / 3)
    assert metric.aggregate().item() == pytest.approx((4 / 6 + 1 + 4 / 6) / 3)


@pytest.mark.parametrize("reduction", ["mean", "mean_batch", "none"])
def test_label_dice_of_labels_that_no_case_has_is_nan(reduction: str) -> None:
    metric = LabelDice(labels=[3])
    metric(WARPED[None, None], FIXED[None, None])
    assert metric.aggregate(reduction).isnan().all()


def test_label_dice_without_cases() -> None:
    with pytest.raises(ValueError, match=r"LabelDice.aggregate\(\) expects at least one case"):
        LabelDice([1]).aggregate()


ALLEN = torch.tensor([0, 997, 182305689, 312782546, 526157192, 614454277], dtype=torch.int32)


def test_dice_per_label_of_numbers_of_hundreds_of_millions() -> None:
    """A list of all numbers up to the largest would take gigabytes."""
    fixed, warped = torch.randint(6, (2, 9, 8, 7), generator=torch.Generator().manual_seed(0))
    small = dice_per_label(warped, fixed)
    large = dice_per_label(ALLEN[warped], ALLEN[fixed])
    assert large == {int(ALLEN[label]): score for label, score in small.items()}
    chosen = dice_per_label(ALLEN[warped], ALLEN[fixed], [614454277, 5, 997])
    assert [chosen[614454277], chosen[997]] == [small[5], small[1]]
    assert np.isnan(chosen[5])
    assert np.isnan(dice_per_label(warped, fixed, [2**31])[2**31])
    measured: Any = LabelDice([614454277, 997])(ALLEN[warped][None, None], ALLEN[fixed][None, None])
    assert measured[0].tolist() == [small[5], small[1]]
