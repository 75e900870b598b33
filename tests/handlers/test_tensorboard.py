"""MONAI's handler writes all there is to see, so that this room has none of its own."""

from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser


def test_tensorboard_scalars(training: Any, tmp_path: Path) -> None:
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = training(tmp_path, 2, scores=[0.25, 0.5])
    parser = ConfigParser(
        {
            "loss": run.loss,
            "log_dir": str(tmp_path / "events"),
            "training": {
                "_target_": "TensorBoardStatsHandler",
                "log_dir": "@log_dir",
                "epoch_log": False,
                "output_transform": "$lambda _: @loss.terms",
            },
            "validation": {"_target_": "TensorBoardStatsHandler", "log_dir": "@log_dir", "iteration_log": False},
        }
    )
    writers = [parser.get_parsed_content(name) for name in ("training", "validation")]
    for writer, engine in zip(writers, (run.trainer, run.validator), strict=True):
        writer.attach(engine)
    run.run()
    for writer in writers:
        writer.close()
    events = event_accumulator.EventAccumulator(str(tmp_path / "events")).Reload()
    assert set(events.Tags()["scalars"]) == {"similarity", "regularization", "loss", "dice"}
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3, 4, 5, 6]
    assert [(event.step, event.value) for event in events.Scalars("dice")] == [(1, 0.25), (2, 0.5)]
