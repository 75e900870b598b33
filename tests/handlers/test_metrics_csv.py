import csv
from pathlib import Path
from typing import Any

import pytest
from monai.handlers import ValidationHandler

from common.handlers import MetricsCsv

COLUMNS = ["epoch", "iteration", "similarity", "regularization", "loss", "learning_rate", "seconds", "val_dice"]


def handlers(folder: Path) -> Any:
    return lambda training: [MetricsCsv(folder / "metrics.csv", training.validator)]


def read(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def test_metrics_csv_rows(training: Any, tmp_path: Path) -> None:
    run = training(tmp_path, 2, handlers(tmp_path), scores=[0.25, 0.5])
    losses: list[float] = []
    rates: list[float] = []
    run.trainer.add_event_handler("ITERATION_STARTED", lambda: rates.append(run.optimizer.param_groups[0]["lr"]))
    run.trainer.add_event_handler("ITERATION_COMPLETED", lambda: losses.append(run.loss.terms["loss"]))
    run.run()
    assert (tmp_path / "metrics.csv").read_text().splitlines()[0] == ",".join(COLUMNS)
    rows = read(tmp_path)
    assert [(row["epoch"], row["iteration"], row["val_dice"]) for row in rows] == [
        ("1", "3", "0.25"),
        ("2", "6", "0.5"),
    ]
    assert [float(row["loss"]) for row in rows] == pytest.approx([sum(losses[:3]) / 3, sum(losses[3:]) / 3], rel=1e-5)
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx([rates[2], rates[5]], rel=1e-5)


def test_metrics_csv_has_what_handlers_say_of_the_training(training: Any, tmp_path: Path) -> None:
    run = training(tmp_path, 2, handlers(tmp_path))

    def begin(engine: Any) -> None:
        engine.state.metrics["stage"] = engine.state.epoch

    run.trainer.add_event_handler("EPOCH_STARTED", begin)
    run.run()
    assert [row["stage"] for row in read(tmp_path)] == ["1", "2"]


def test_metrics_csv_resumed_run_has_each_epoch_once(training: Any, tmp_path: Path) -> None:
    straight, resumed = tmp_path / "straight", tmp_path / "resumed"
    training(straight, 4, handlers(straight)).run()
    training(resumed, 3, handlers(resumed)).run()
    (resumed / "checkpoint_epoch=3.pt").unlink()  # killed after the row, before the checkpoint
    training(resumed, 4, handlers(resumed), resume=True).run()
    assert read(resumed) == read(straight)


def test_metrics_csv_new_run_begins_a_new_table(training: Any, tmp_path: Path) -> None:
    training(tmp_path / "first", 3, handlers(tmp_path)).run()
    training(tmp_path / "second", 1, handlers(tmp_path)).run()
    assert [row["epoch"] for row in read(tmp_path)] == ["1"]


def test_metrics_csv_columns_may_come_later(training: Any, tmp_path: Path) -> None:
    """Validation every second epoch; a loss without terms, then with terms."""

    def validate_later(training: Any) -> list[Any]:
        return [ValidationHandler(2, training.validator), *handlers(tmp_path)(training)]

    run = training(tmp_path, 3, validate_later)
    first = run.trainer._event_handlers
    for event in first:
        first[event] = [item for item in first[event] if getattr(item[0], "interval", 0) != 1]
    loss = run.trainer.loss_function
    run.trainer.loss_function = lambda prediction, label: (prediction - label).square().mean()
    run.trainer.add_event_handler("EPOCH_COMPLETED", lambda: setattr(run.trainer, "loss_function", loss))
    run.run()
    rows = read(tmp_path)
    assert list(rows[0]) == ["epoch", "iteration", "loss", "learning_rate", "similarity", "regularization", "val_dice"]
    assert [row["val_dice"] for row in rows] == ["", "0.5", ""]
    assert [bool(row["similarity"]) for row in rows] == [False, True, True]


def test_metrics_csv_other_processes_write_nothing(training: Any, tmp_path: Path) -> None:
    run = training(tmp_path, 1, handlers(tmp_path))
    run.trainer.state.rank = 1
    run.run()
    assert not (tmp_path / "metrics.csv").exists()


def test_metrics_csv_leaves_other_files_alone(training: Any, tmp_path: Path) -> None:
    training(tmp_path, 1).run()
    (tmp_path / "metrics.csv").write_text("name,age\nx,1\n")
    with pytest.raises(ValueError, match=r"metrics\.csv is not a table of epochs: move it away or name another\."):
        training(tmp_path, 2, handlers(tmp_path), resume=True).run()
    assert (tmp_path / "metrics.csv").read_text() == "name,age\nx,1\n"


@pytest.mark.parametrize("damage", [b"\0", b"\xff\xfe", b"epoch,loss\n1,2,3\n", b"epoch,loss\n1\n", b"a" * 200_000])
def test_metrics_csv_says_that_a_table_is_damaged_before_it_trains(
    damage: bytes, training: Any, tmp_path: Path
) -> None:
    training(tmp_path, 1).run()
    (tmp_path / "metrics.csv").write_bytes(damage)
    run = training(tmp_path, 2, handlers(tmp_path), resume=True)
    with pytest.raises(ValueError, match=r"metrics\.csv is not a table of epochs: move it away or name another\."):
        run.run()
    assert run.trainer.state.iteration == 3
    assert (tmp_path / "metrics.csv").read_bytes() == damage
