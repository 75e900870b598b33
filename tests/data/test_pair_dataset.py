import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose, RandScaleIntensityd

from common.data import PairDataset

CASES = [{"image": name, "label": name.upper()} for name in "abcd"]


def names(dataset: PairDataset) -> list[tuple[Any, Any]]:
    return [(item["fixed_image"], item["moving_image"]) for item in (dataset[i] for i in range(len(dataset)))]


def test_random_pairs_show_every_case_once_as_the_moving_one() -> None:
    drawn = names(PairDataset(CASES))
    assert sorted(moving for _, moving in drawn) == list("abcd")


@pytest.mark.parametrize(("pairing", "count"), [("ordered", 12), ("unordered", 6), ("ring", 4), ("atlas", 3)])
def test_kinds_of_pairs(pairing: str, count: int) -> None:
    drawn = names(PairDataset(CASES, pairing=pairing, shuffle=False))
    assert len(drawn) == len(set(drawn)) == count
    assert all(fixed != moving for fixed, moving in drawn)
    if pairing == "unordered":
        assert len({frozenset(pair) for pair in drawn}) == count
    if pairing == "atlas":
        assert {fixed for fixed, _ in drawn} == {"a"}
    if pairing == "ring":
        assert drawn == [("b", "a"), ("c", "b"), ("d", "c"), ("a", "d")]


def test_epochs_differ_and_repeat() -> None:
    dataset = PairDataset(CASES, seed=1)
    epochs = []
    for epoch in (1, 2, 3, 2):
        dataset.set_epoch(epoch)
        epochs.append(names(dataset))
    assert epochs[1] == epochs[3]
    assert len({tuple(epoch) for epoch in epochs[:3]}) == 3
    assert names(PairDataset(CASES, seed=2)) != epochs[0]


def test_random_pairs_stay_within_a_cohort() -> None:
    cases = [{"image": f"{cohort}{n}", "cohort": cohort} for cohort in "xy" for n in range(3)]
    dataset = PairDataset(cases)
    for epoch in range(5):
        dataset.set_epoch(epoch)
        for item in (dataset[i] for i in range(6)):
            assert item["fixed_image"][0] == item["moving_image"][0]
            assert set(item) == {"fixed_image", "moving_image", "pair"}


@pytest.mark.parametrize(("pairing", "count"), [("ordered", 12 + 2), ("unordered", 6 + 1)])
def test_all_pairs_stay_within_a_cohort(pairing: str, count: int) -> None:
    cohorts = {"x0": "x", "y0": "y", "x1": "x", "z0": "z", "x2": "x", "y1": "y", "x3": "x"}
    dataset = PairDataset([{"image": name, "cohort": cohort} for name, cohort in cohorts.items()], pairing=pairing)
    drawn = names(dataset)
    assert len(drawn) == len(set(drawn)) == count
    assert all(fixed[0] == moving[0] and fixed != moving for fixed, moving in drawn)


def test_cohorts_of_one_case_have_no_pairs() -> None:
    cases = [{"image": name, "cohort": name} for name in "ab"]
    with pytest.raises(ValueError, match="expects two cases of one cohort for ordered pairs, got no such two"):
        PairDataset(cases, pairing="ordered")


def test_many_cases_are_drawn_in_no_time() -> None:
    dataset = PairDataset([{"image": str(n), "cohort": n % 2} for n in range(6000)])
    start = time.perf_counter()
    dataset.set_epoch(2)
    assert time.perf_counter() - start < 0.5  # 0.02 s; a list of mates for every case would be 2 s
    assert PairDataset([{"image": str(n)} for n in range(6000)], pairing="ordered", shuffle=False, length=3).drawn == [
        (0, 1), (0, 2), (0, 3)]  # fmt: skip


def test_cases_may_have_names() -> None:
    dataset = PairDataset([{"image": n, "name": f"slice{n}", "cohort": "x"} for n in range(2)], pairing="ring")
    assert {dataset[i]["pair"] for i in range(2)} == {"slice1_slice0", "slice0_slice1"}
    assert set(dataset[0]) == {"fixed_image", "moving_image", "pair"}


def test_phases_of_one_file_are_different_cases() -> None:
    def transform(case: dict) -> dict:
        return {**case, "image": (case["image"], case["phase"])}

    pairs = [{"fixed_image": "a.nii", "fixed_phase": 0, "moving_image": "a.nii", "moving_phase": t} for t in (3, 0)]
    dataset = PairDataset(pairs, transform, shuffle=False)
    assert names(dataset) == [(("a.nii", 0), ("a.nii", 3)), (("a.nii", 0), ("a.nii", 0))]
    assert dataset[0]["pair"] == "a_phase0_a_phase3"
    assert set(dataset[0]) == {"fixed_image", "moving_image", "pair"}


def test_listed_pairs_are_given_as_they_are() -> None:
    pairs = [{"fixed_image": "b", "moving_image": "a", "fixed_label": "B"}, {"fixed_image": "c", "moving_image": "b"}]
    dataset = PairDataset(pairs, shuffle=False)
    assert names(dataset) == [("b", "a"), ("c", "b")]
    assert dataset[0] == {**pairs[0], "pair": "b_a"}


def test_each_case_is_read_once() -> None:
    read = []

    def transform(case: dict) -> dict:
        read.append(case["image"])
        return case

    dataset = PairDataset(CASES, transform, pairing="ordered")
    names(dataset)
    assert sorted(read) == list("abcd")
    PairDataset(CASES, transform, preload=True)
    assert len(read) == 8


def test_one_case_is_paired_with_itself_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    PairDataset(CASES[:2])
    assert not caplog.messages
    for kind in ("random", "ring", "atlas", "ordered"):
        assert names(PairDataset(CASES[:1], pairing=kind)) == [("a", "a")]
    assert set(caplog.messages) == {"a is the only scan, and its own partner: that pair tells nothing"}


def test_augmentation_depends_on_seed_epoch_and_place_alone() -> None:
    def transform(case: dict) -> dict:
        return {"image": MetaTensor(torch.ones(1, 2, 2))}

    augmentation = Compose([RandScaleIntensityd(["fixed_image", "moving_image"], factors=0.5, prob=1.0)])
    dataset = PairDataset(CASES, transform, augmentation, pairing="ring", shuffle=False)
    first = [dataset[i]["fixed_image"].mean().item() for i in (0, 1, 2)]
    assert [dataset[i]["fixed_image"].mean().item() for i in (2, 1, 0)] == first[::-1]
    assert len(set(first)) == 3
    assert dataset.cache[0]["image"].mean() == 1
    dataset.set_epoch(2)
    assert dataset[0]["fixed_image"].mean().item() != first[0]


@pytest.mark.parametrize(
    "make", [torch.zeros, np.zeros, lambda n: MetaTensor(torch.zeros(n)), lambda n: [torch.zeros(n)],
             lambda n: {"points": np.zeros(n)}, lambda n: MetaTensor(torch.zeros(n), meta={"points": np.zeros(n)})]
)  # fmt: skip
def test_augmentation_in_place_leaves_the_cache_alone(make: Callable[[int], Any]) -> None:
    def arrays(value: Any) -> list[Any]:
        if isinstance(value, MetaTensor):
            return [value, value.affine, *arrays([v for v in value.meta.values() if isinstance(v, np.ndarray)])]
        parts = value if isinstance(value, list) else value.values() if isinstance(value, dict) else None
        return [value] if parts is None else [array for part in parts for array in arrays(part)]

    def fill(pair: dict) -> dict:
        for array in arrays(pair["fixed_image"]) + arrays(pair["moving_image"]):
            array[:] = 7
        return pair

    dataset = PairDataset([{"image": n} for n in "ab"], lambda case: {"image": make(3)}, fill, pairing="ring")
    for _ in range(2):
        assert all(bool((array == 7).all()) for array in arrays(dataset[0]["fixed_image"]))
    kept = [array for case in dataset.cache.values() for array in arrays(case["image"])]
    assert not any(bool((array == 7).any()) for array in kept)


def test_length_limits_an_epoch() -> None:
    assert len(PairDataset(CASES, pairing="ordered", length=5)) == 5


def test_wrong_data_raise() -> None:
    with pytest.raises(ValueError, match="of one case or more, got none"):
        PairDataset([])
    with pytest.raises(ValueError, match="of cases or of pairs, got both"):
        PairDataset([dict(case) for case in CASES] + [{"fixed_image": "a", "moving_image": "b"}])
    with pytest.raises(ValueError, match="'pairing' to be one of random, ordered, unordered, ring, atlas, got 'all'"):
        PairDataset(CASES, pairing="all")
