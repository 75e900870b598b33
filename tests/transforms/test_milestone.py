"""Stages and their seconds."""

import logging

import pytest

from common.transforms import Milestoned


def test_milestoned_notes_seconds_of_each_stage_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 11.5, 15.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    data = Milestoned()({"image": "kept"})
    for stage in ("load", "warp"):
        data = Milestoned(stage)(data)
    assert list(data["seconds"].items()) == [("load", 1.5), ("warp", 3.5)]
    assert data["image"] == "kept"


def test_milestoned_starts_a_clock_of_its_own_for_each_pair() -> None:
    first, second = Milestoned()({}), Milestoned()({})
    Milestoned("load")(first)
    assert first["seconds"] == second["seconds"] == {}


def test_milestoned_logs_the_stage(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="common"):
        Milestoned("load")(Milestoned()({}))
    assert "load" in caplog.text
    assert "0.0 s" in caplog.text
