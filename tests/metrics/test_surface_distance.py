"""Distances between surfaces, in mm, by label."""

from collections.abc import Callable
from functools import partial
from time import process_time
from typing import Any

import numpy as np
import pytest
import torch
from monai.metrics import (
    compute_average_surface_distance,
    compute_hausdorff_distance,
    get_mask_edges,
    get_surface_distance,
)
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from common.metrics import surface_distance_per_label

SPACING = (1.0, 1.5, 2.0)
MEASURES = [
    partial(surface_distance_per_label, measure=measure)
    for measure in ("hausdorff_95", "robust_hausdorff_95", "average", "percentile_95")
]
hausdorff, robust_hausdorff, average, percentile = MEASURES


def box(*corners: tuple[int, int], label: int = 1, shape: tuple[int, ...] = (14, 15, 16)) -> NDArray:
    label_map = np.zeros(shape, np.uint8)
    label_map[tuple(slice(*corner) for corner in corners)] = label
    return label_map


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(("axis", "expected"), [(0, 3.0), (1, 4.5), (2, 6.0)])
def test_distance_of_a_shifted_point_is_in_mm(measure: Callable, axis: int, expected: float) -> None:
    fixed = box((4, 5), (4, 5), (4, 5))
    assert measure(fixed, np.roll(fixed, 3, axis), SPACING) == {1: pytest.approx(expected)}


@pytest.mark.parametrize("measure", MEASURES)
def test_distance_of_the_same_map_is_zero(measure: Callable) -> None:
    fixed = box((2, 7), (3, 8), (4, 9)) + box((9, 12), (9, 12), (9, 12), label=4)
    assert measure(fixed, fixed, SPACING) == {1: 0.0, 4: 0.0}


@pytest.mark.parametrize("measure", MEASURES)
def test_distance_is_symmetric(measure: Callable) -> None:
    large, small = box((2, 9), (3, 9), (4, 9)), box((2, 5), (4, 7), (4, 9))
    assert measure(large, small, SPACING) == pytest.approx(measure(small, large, SPACING))


@pytest.mark.parametrize("measure", MEASURES)
def test_distance_of_a_missing_label_is_nan(measure: Callable) -> None:
    fixed, warped = box((2, 5), (2, 5), (2, 5)), box((2, 5), (2, 5), (2, 5), label=2)
    found = measure(fixed, warped, SPACING, labels=[1, 2, 3])
    assert list(found) == [1, 2, 3]
    assert np.isnan(list(found.values())).all()
    assert set(measure(fixed, warped, SPACING)) == {1, 2}


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")  # MONAI's own
def test_distance_matches_monai_on_the_whole_volume() -> None:
    generator = np.random.default_rng(0)
    fixed, warped = (generator.integers(0, 3, (9, 10, 11)) for _ in range(2))
    first, second = (torch.from_numpy(x == 2)[None, None] for x in (warped, fixed))
    arguments: dict[str, Any] = {"include_background": True, "spacing": list(SPACING)}
    expected_hausdorff = compute_hausdorff_distance(first, second, percentile=95, **arguments)
    expected_average = compute_average_surface_distance(first, second, symmetric=True, **arguments)
    assert hausdorff(warped, fixed, SPACING)[2] == pytest.approx(expected_hausdorff.item())
    assert average(warped, fixed, SPACING)[2] == pytest.approx(expected_average.item())


def test_hausdorff_distance_is_near_the_area_weighted_one(oracle: Callable[[str], dict[str, np.ndarray]]) -> None:
    recorded = oracle("001_metrics_hd95_dice30")
    for case in range(3):
        fixed, warped = recorded[f"A{case}"], recorded[f"B{case}"]
        found = hausdorff(warped, fixed, (1.0, 1.5, 2.0))[1]
        assert found == pytest.approx(float(recorded[f"hd95_{case}_sp_aniso"]), abs=1.0)


@pytest.mark.parametrize(("name", "spacing"), [("sp1", (1.0, 1.0, 1.0)), ("sp_aniso", (1.0, 1.5, 2.0))])
@pytest.mark.parametrize("case", range(3))
def test_robust_hausdorff_is_that_of_the_paper(
    oracle: Callable[[str], dict[str, np.ndarray]], case: int, name: str, spacing: tuple[float, ...]
) -> None:
    recorded = oracle("001_metrics_hd95_dice30")
    found = robust_hausdorff(recorded[f"B{case}"], recorded[f"A{case}"], spacing)
    assert found == {1: pytest.approx(float(recorded[f"hd95_{case}_{name}"]))}


def test_hausdorff_distance_of_planar_contours() -> None:
    fixed = box((3, 9), (4, 9), shape=(14, 15))
    assert hausdorff(np.roll(fixed, 2, 0), fixed, (1.25, 1.0)) == {1: 2.5}


def test_distances_of_planar_contours_by_hand() -> None:
    """A block of 3 x 4 pixels of 2 x 1.5 mm, moved by one pixel along both axes; both ways are alike."""
    fixed = box((3, 6), (4, 8), shape=(14, 15))
    warped = np.roll(fixed, (1, 1), (0, 1))
    upper, middle, lower = [2.5, 2.0, 2.0, 2.0], [1.5, 0.0], [1.5, 0.0, 1.5, 1.5]  # rows of the fixed contour
    one_way = upper + middle + lower
    assert average(warped, fixed, (2.0, 1.5)) == {1: pytest.approx(sum(one_way) / 10)}
    assert percentile(warped, fixed, (2.0, 1.5)) == {1: 2.5}  # 18th of 0 to 19
    assert hausdorff(warped, fixed, (2.0, 1.5)) == {1: pytest.approx(2.275)}  # 8.55th of 0 to 9


def test_surface_distance_95_pools_both_directions() -> None:
    """A point against a line of 20: the far end weighs 1 in 21 rather than 1 in 20."""
    fixed, warped = box((5, 6), (2, 3), shape=(11, 25)), box((5, 6), (2, 22), shape=(11, 25))
    distances = np.concatenate([[0.0], 1.5 * np.arange(20)])
    found = percentile(warped, fixed, (2.0, 1.5))
    assert found == {1: pytest.approx(np.percentile(distances, 95))}
    assert found[1] < hausdorff(warped, fixed, (2.0, 1.5))[1]


def least_times(*works: Callable[[], object], repeats: int) -> list[float]:
    """Least processor time of each, in turn: what others do on a busy machine can only add to it."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for work, spent in zip(works, times, strict=True):
            start = process_time()
            work()
            spent.append(process_time() - start)
    return [min(spent) for spent in times]


@pytest.mark.parametrize("measure", MEASURES)
def test_distance_is_looked_for_around_the_labels_alone(measure: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a heart in a slice its box is worked on, with one pixel around it at the most: 61 x 61 of 256 x 256."""
    rows, columns = np.mgrid[:256, :256]
    fixed, warped = (((rows - 120) ** 2 + (columns - 130) ** 2 < radius**2).astype(np.uint8) for radius in (30, 22))
    shapes: list[tuple[int, ...]] = []

    def noted(function: Callable) -> Callable:
        def note(*masks: Any, **options: Any) -> Any:
            shapes.extend(tuple(mask.shape) for mask in masks)
            return function(*masks, **options)

        return note

    for function in (get_mask_edges, get_surface_distance):
        monkeypatch.setattr(f"common.metrics.surface_distance.{function.__name__}", noted(function))
    assert 5 < measure(fixed, warped, (1.28, 1.28))[1] < 15
    assert shapes
    assert all(side <= 61 for shape in shapes for side in shape)


def test_hausdorff_distance_is_quick_on_large_volumes() -> None:
    """Thirteen small organs in less than the distances of all voxels take for one of them."""
    fixed = np.zeros((192, 160, 256), np.uint8)
    for label in range(1, 14):
        fixed[10 * label : 10 * label + 40, 20:60, 10 * label : 10 * label + 40] = label
    warped = np.roll(fixed, 3, 1)
    distances: dict[int, float] = {}
    whole, spent = least_times(
        lambda: distance_transform_edt(fixed != 1),
        lambda: distances.update(hausdorff(warped, fixed, (1.0, 1.0, 1.0))),
        repeats=1,
    )
    assert len(distances) == 13
    assert spent < 2 * whole


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (1.0, 0.0, 1.0)])
def test_distance_rejects_spacing(spacing: tuple[float, ...]) -> None:
    fixed = box((2, 5), (2, 5), (2, 5))
    with pytest.raises(ValueError, match=r"surface_distance_per_label\(\) expects 'spacing' of 3 positive"):
        average(fixed, fixed, spacing)


def test_distance_rejects_a_measure() -> None:
    with pytest.raises(ValueError, match=r"'measure' to be one of hausdorff_95, .*, average, got 'hausdorff'"):
        surface_distance_per_label([[1]], [[1]], (1.0, 1.0), measure="hausdorff")


def test_distances_of_numbers_of_hundreds_of_millions() -> None:
    names = torch.tensor([0, 997, 614454277], dtype=torch.int32)
    fixed, warped = torch.randint(3, (2, 9, 8, 7), generator=torch.Generator().manual_seed(0))
    small = hausdorff(warped, fixed, (1.0, 2.0, 3.0))
    large = hausdorff(names[warped], names[fixed], (1.0, 2.0, 3.0))
    assert large == {int(names[label]): distance for label, distance in small.items()}
