import csv
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from ignite.engine import Engine, Events

from common.handlers import PairResults
from common.metrics import LabelDice


@pytest.fixture
def evaluator() -> Engine:
    """Two batches of two pairs, with known Dice."""

    def iterate(engine: Engine, batch: Any) -> None:
        fixed = torch.tensor([[1, 1, 2, 2], [1, 1, 0, 0]])[:, None]
        warped = torch.tensor([[1, 1, 2, 2], [1, 0, 0, 0]])[:, None]
        metric(warped, fixed)
        vars(engine.state)["metric_details"] = {
            "dice": metric.get_buffer(),
            "sdlogj": torch.full((len(metric), 1), 0.5),
        }

    metric = LabelDice([1, 2])
    return Engine(iterate)


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_every_pair_has_its_row(evaluator: Engine, tmp_path: Path) -> None:
    PairResults(tmp_path / "new").attach(evaluator)
    evaluator.run([{"pair": ["a", "b"]}, {"pair": ["c", "d"]}])
    lines = rows(tmp_path / "new" / "pairs.csv")
    assert lines[0] == ["pair", "error", "dice_after", "sdlogj"]
    assert [line[0] for line in lines[1:]] == ["a", "b", "c", "d"]
    assert [float(line[2]) for line in lines[1:]] == pytest.approx([1, 2 / 3, 1, 2 / 3], abs=1e-5)


def test_summary_has_mean_deviation_and_dice30(
    evaluator: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    PairResults(tmp_path).attach(evaluator)
    with caplog.at_level(logging.INFO, logger="common"):
        evaluator.run([{"pair": ["a", "b"]}])
    assert [message.split() for message in caplog.messages[:2]] == [
        ["dice_after", "0.833333", "±", "0.166667"],
        ["sdlogj", "0.5", "±", "0"],
    ]
    assert caplog.messages[-1] == f"Mean and deviation of 2 pairs; each: {tmp_path / 'pairs.csv'}"
    lines = {line[0]: line[1:] for line in rows(tmp_path / "evaluation.csv")}
    assert float(lines["dice_after"][0]) == pytest.approx(5 / 6, abs=1e-5)
    assert float(lines["dice_after"][1]) == pytest.approx(1 / 6, abs=1e-5)
    assert float(lines["dice30_after"][0]) == pytest.approx(2 / 3, abs=1e-5)
    assert lines["sdlogj"] == ["0.5", "0"]


def test_missing_labels_leave_an_empty_cell(tmp_path: Path) -> None:
    engine = Engine(lambda *_: None)
    handler = PairResults(tmp_path)
    handler.attach(engine)
    vars(engine.state)["metric_details"] = {"dice": torch.tensor([[float("nan")] * 2, [0.5, float("nan")]])}
    vars(engine.state)["batch"] = {"pair": ["a", "b"]}
    handler.collect(engine)
    engine.fire_event(Events.COMPLETED)
    assert rows(tmp_path / "pairs.csv")[1:] == [["a", "", ""], ["b", "", "0.5"]]


def test_pairs_that_several_processes_had_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two pairs of three processes, see `EqualShares`."""
    monkeypatch.setattr("common.handlers.pair_results.idist.get_world_size", lambda: 3)
    engine = Engine(lambda *_: None)
    handler = PairResults(tmp_path)
    handler.attach(engine)
    vars(engine.state)["metric_details"] = {"dice": torch.tensor([0.5, 0.7, 0.7, 0.5, 0.5, 0.7])[:, None]}
    vars(engine.state)["batch"] = {"pair": ["a", "b", "b", "a", "a", "b"]}
    handler.collect(engine)
    engine.fire_event(Events.COMPLETED)
    assert rows(tmp_path / "pairs.csv")[1:] == [["a", "", "0.5"], ["b", "", "0.7"]]
    assert float(rows(tmp_path / "evaluation.csv")[1][1]) == pytest.approx(0.6)
