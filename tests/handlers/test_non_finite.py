from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from common.handlers import StopOnNonFinite, newest_checkpoint


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_stop_on_non_finite_loss(training: Any, tmp_path: Path, value: float) -> None:
    run = training(tmp_path, 3, lambda _: [StopOnNonFinite()])

    def spoil(engine: Any) -> None:
        if engine.state.iteration == 5:
            run.loss.factor = value

    run.trainer.add_event_handler("ITERATION_STARTED", spoil)
    message = (
        rf"Training stopped in epoch 2, iteration 5: similarity is {value}, loss is {value}\. "
        r"The last checkpoint is kept\. Likely causes: a learning rate"
    )
    with pytest.raises(ValueError, match=message):
        run.run()
    assert all(torch.isfinite(weight).all() for weight in run.network.parameters())
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint_epoch=1.pt"


def test_stop_on_non_finite_loss_without_terms(training: Any, tmp_path: Path) -> None:
    run = training(tmp_path, 1, lambda _: [StopOnNonFinite()])
    run.trainer.loss_function = lambda prediction, label: prediction.mean() / 0
    with pytest.raises(ValueError, match=r"epoch 1, iteration 1: loss is -?inf\."):
        run.run()


def test_stop_on_non_finite_weights_are_never_saved(training: Any, tmp_path: Path) -> None:
    """The loss of the last iteration was fine, its gradient was not."""
    run = training(tmp_path, 3, lambda _: [StopOnNonFinite()])

    def spoil(engine: Any) -> None:
        if engine.state.iteration == 6:
            nn.init.constant_(run.network[3].bias, float("nan"))

    run.trainer.add_event_handler("ITERATION_COMPLETED", spoil)
    with pytest.raises(ValueError, match=r"epoch 2, iteration 6: 1 weights are not finite, 3\.bias among them\."):
        run.run()
    assert newest_checkpoint(tmp_path) == tmp_path / "checkpoint_epoch=1.pt"
