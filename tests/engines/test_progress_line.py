"""A line now and then, where the log is heard."""

import logging
import sys
import time

import pytest
import torch

from common.engines import SliceBySliceInferer, TestTimeAugmentationInferer
from common.engines.progress_line import ProgressLine
from common.optimization import listening


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def run(clock: list[float], seconds: float) -> None:
    line = ProgressLine()
    for done in range(1, 41):
        clock[0] += seconds
        line("optimization", done, 40)


def test_progress_line_is_logged_every_ten_seconds(clock: list[float], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="common"):
        run(clock, 0.5)
    assert caplog.messages == ["  optimization 20 of 40", "  optimization 40 of 40"]


def test_progress_line_is_silent_where_the_log_is(clock: list[float], capsys: pytest.CaptureFixture) -> None:
    logging.getLogger("common").setLevel(logging.WARNING)
    try:
        run(clock, 100)
    finally:
        logging.getLogger("common").setLevel(logging.NOTSET)
    assert capsys.readouterr() == ("", "")


def test_progress_line_in_a_terminal_is_written_over(
    clock: list[float], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with caplog.at_level(logging.INFO, logger="common"):
        run(clock, 0.15)
    assert capsys.readouterr().err.split("\r")[:2] == ["  optimization 2 of 40     ", "  optimization 4 of 40     "]
    assert not caplog.messages


def test_inferers_tell_their_passes_and_slices() -> None:
    lines: list[tuple[str, int, int]] = []
    with listening(lambda *line: lines.append(line)):
        TestTimeAugmentationInferer(samples=3)(torch.rand(1, 2, 5, 6, 7), lambda image: torch.zeros(1, 3, 5, 6, 7))
        SliceBySliceInferer(2)(torch.rand(1, 2, 5, 6, 3), lambda image: torch.zeros(len(image), 2, 5, 6))
    assert lines == [("pass", 1, 3), ("pass", 2, 3), ("slice", 2, 3), ("slice", 3, 3)]
