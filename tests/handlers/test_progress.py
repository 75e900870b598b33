import io
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from common.handlers import Progress, StopOnNonFinite


def handlers(training: Any) -> list[Any]:
    return [StopOnNonFinite(), Progress(training.validator)]


def test_progress_logs_a_line_an_epoch(
    training: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO, "common"):
        training(tmp_path, 2, handlers, scores=[0.25, 0.5]).run()
    lines = [record.message for record in caplog.records if record.message.startswith("epoch")]
    number = r"[-+.e\d]+"
    for line, start, dice in zip(lines, ("epoch 1/2", "epoch 2/2"), ("0.25", "0.5"), strict=True):
        terms = rf"similarity {number}, regularization {number}, loss {number}"
        assert re.fullmatch(rf"{start}: {terms}, val_dice {dice}, {number} it/s", line)
    assert "it/s]" not in capfd.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_bar_goes_on_where_the_run_does(
    training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    training(tmp_path, 1).run()
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    with caplog.at_level(logging.INFO, "common"):
        training(tmp_path, 3, handlers, resume=True).run()
    shown = terminal.getvalue()
    assert "3/9" in shown.split("\r")[1]
    assert shown.endswith("\n")
    last = shown.strip().split("\r")[-1]
    assert re.search(r"epoch 3/3: 100%.* 9/9 .*similarity=.*loss=.*val_dice=0\.5", last)
    assert not [record for record in caplog.records if record.message.startswith("epoch")]


def test_progress_bar_ends_its_line_before_a_mistake(
    training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    run = training(tmp_path, 2, handlers)
    run.loss.factor = float("nan")
    with pytest.raises(ValueError, match="similarity is nan"):
        run.run()
    assert terminal.getvalue().endswith("\n")


def test_progress_of_other_processes_is_silent(
    training: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    run = training(tmp_path, 1, handlers)
    run.trainer.state.rank = 1
    with caplog.at_level(logging.INFO, "common"):
        run.run()
    assert not terminal.getvalue()
    assert not [record for record in caplog.records if record.message.startswith("epoch")]
