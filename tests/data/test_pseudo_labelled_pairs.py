from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from common.data import PairDataset, PseudoLabelledPairs, PseudoLabels, sampling_weights

Oracle = Callable[[str], dict[str, np.ndarray]]


@pytest.mark.parametrize("count", [45, 190])
def test_weights_equal_released_code(oracle: Oracle, count: int) -> None:
    recorded = oracle("003_sampling_weights")
    weights = sampling_weights(recorded[f"difficulty_{count}"])
    np.testing.assert_allclose(weights, recorded[f"weights_{count}"], atol=1e-6)


def test_equal_difficulties_weigh_the_same() -> None:
    np.testing.assert_allclose(sampling_weights([0, 0, 0, 0]), 0.5)
    low, middle, other, high = sampling_weights([2, 5, 5, 9])
    assert low > middle == other > high
    assert sampling_weights([1.0]) == 0.5


def make(folder: Path, labelled: bool = True, **options: Any) -> PseudoLabelledPairs:
    cases = [{"image": torch.full((1, 4, 4), float(n)), "name": f"case{n}"} for n in range(4)]
    pairs = PairDataset(cases, pairing="unordered", shuffle=False)
    labels = PseudoLabels(folder) if labelled else None
    for stage in range(2 if labels else 0):
        for number in range(len(pairs)):
            assert labels is not None
            labels.write(stage, number, torch.full((2, 2, 2), 10.0 * stage + number), float(number), "x")
    return PseudoLabelledPairs(pairs, labels, **{"length": 400, **options})


def test_label_is_that_of_pair_and_stage(tmp_path: Path) -> None:
    data = make(tmp_path)
    numbers = {data.pairs[n]["pair"]: n for n in range(6)}
    for stage in range(2):
        data.begin_stage(stage)
        for index in range(20):
            item = data[index]
            assert (item["pseudo_label"] == 10 * stage + numbers[item["pair"]]).all()


def test_easy_pairs_are_drawn_most(tmp_path: Path) -> None:
    data = make(tmp_path)
    data.begin_stage(0)
    data.set_epoch(3)
    counts = Counter(data.drawn.tolist())
    expected = sampling_weights(range(6)) / sampling_weights(range(6)).sum() * 400
    assert [counts[n] for n in range(6)] == pytest.approx(expected, abs=30)
    assert len(data) == 400


@pytest.mark.parametrize("labelled", [True, False])
def test_uniform_draws_know_no_difficulty(tmp_path: Path, labelled: bool) -> None:
    data = make(tmp_path, labelled, sampling="uniform" if labelled else "difficulty")
    data.begin_stage(1)
    data.set_epoch(1)
    counts = Counter(data.drawn.tolist())
    assert [counts[n] for n in range(6)] == pytest.approx([400 / 6] * 6, abs=30)
    assert ("pseudo_label" in data[0]) == labelled


def test_draws_depend_on_seed_and_epoch_alone(tmp_path: Path) -> None:
    first, second = make(tmp_path), make(tmp_path)
    for data, epochs in ((first, (1, 2, 3)), (second, (3,))):
        data.begin_stage(0)
        for epoch in epochs:
            data.set_epoch(epoch)
    assert first.drawn.tolist() == second.drawn.tolist()
    second.set_epoch(4)
    assert first.drawn.tolist() != second.drawn.tolist()


def test_stage_without_labels_raises(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"There is no whole pseudo label .*stage=5"):
        make(tmp_path).begin_stage(5)


def test_unknown_sampling_raises(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="sampling is expected to be one of difficulty, uniform, got hard"):
        make(tmp_path, sampling="hard")
