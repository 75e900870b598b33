from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread, imsave

from common.handlers import TensorBoard

LOSS = {"similarity", "regularization", "loss"}


def read(folder: Path) -> Any:
    module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    return module.EventAccumulator(str(folder)).Reload()


def test_terms_and_metrics_are_written(training: Any, tmp_path: Path) -> None:
    run = training(tmp_path, 2, scores=[0.25, 0.5])
    for engine in (run.trainer, run.validator):
        TensorBoard(tmp_path / "events").attach(engine)
    run.run()
    events = read(tmp_path / "events")
    assert set(events.Tags()["scalars"]) == {*LOSS, "learning_rate", "val_dice"}
    rates = [event.value for event in events.Scalars("learning_rate")]
    assert rates[-1] == pytest.approx(run.optimizer.param_groups[0]["lr"])
    assert len(set(rates)) == 6
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3, 4, 5, 6]
    assert [(event.step, event.value) for event in events.Scalars("val_dice")] == [(1, 0.25), (2, 0.5)]


def test_the_picture_of_a_validation_is_shown(training: Any, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).uniform(size=(6, 8, 3))
    (tmp_path / "events").mkdir()
    imsave(tmp_path / "events" / "validation_epoch=2.png", pixels)
    run = training(tmp_path, 2)
    TensorBoard(tmp_path / "events").attach(run.validator)
    run.run()
    (shown,) = read(tmp_path / "events").Images("validation")
    assert (shown.step, shown.width, shown.height) == (2, 4, 3)
    np.testing.assert_allclose(imread(BytesIO(shown.encoded_image_string))[..., :3], pixels[::2, ::2], atol=0.01)


def test_a_loss_without_terms_is_written(training: Any, tmp_path: Path) -> None:
    run = training(tmp_path, 1)
    run.trainer.loss_function = lambda *given: run.loss(*given)
    TensorBoard(tmp_path / "events").attach(run.trainer)
    run.run()
    assert read(tmp_path / "events").Scalars("loss")[-1].value == pytest.approx(run.loss.terms["loss"])


def test_the_first_process_alone_writes(training: Any, tmp_path: Path) -> None:
    run = training(tmp_path, 1)
    run.trainer.state.rank = 1
    TensorBoard(tmp_path / "events").attach(run.trainer)
    assert not (tmp_path / "events").exists()
