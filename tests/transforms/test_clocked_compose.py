"""Stages and their seconds."""

import logging
from typing import Any

import pytest

from common.transforms import ClockedCompose


def step(name: str) -> Any:
    return lambda data: {**data, "way": [*data.get("way", []), name]}


STAGES = {"load": [step("a"), step("b")], "nothing": [], "warp": [step("c")]}


def test_clocked_compose_notes_seconds_of_each_stage_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 11.5, 11.5, 15.0, 22.0, 22.25])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    data = ClockedCompose(STAGES)({"image": "kept"})
    data = ClockedCompose({"measure": []}, after="registration")(data)
    seconds = {"load": 1.5, "nothing": 0.0, "warp": 3.5, "registration": 7.0, "measure": 0.25}
    assert list(data["seconds"].items()) == list(seconds.items())
    assert data["way"] == ["a", "b", "c"]
    assert data["image"] == "kept"


def test_clocked_compose_starts_a_clock_of_its_own_for_each_pair() -> None:
    compose = ClockedCompose({"load": []})
    assert [list(compose(data)["seconds"]) for data in ({}, {"seconds": {"old": 1.0}})] == [["load"], ["load"]]


def test_clocked_compose_logs_the_stages(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="common"):
        ClockedCompose({"load": [], "warp": []})({})
    assert caplog.messages == ["  load                0.0 s", "  warp                0.0 s"]


def test_clocked_compose_runs_as_a_whole() -> None:
    """A data set with a cache would call it in two parts."""
    with pytest.raises(ValueError, match=r"ClockedCompose\(\) expects to run as a whole, got 'start' 1"):
        ClockedCompose(STAGES)({}, start=1)
