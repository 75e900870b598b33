import operator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from monai.inferers import SimpleInferer
from torch import nn
from torch.utils.data import DataLoader

from common.engines import registration_metrics, training_engine, validation_engine

PAIRS: Any = [{"fixed_image": torch.zeros(1, 6, 6), "moving_image": torch.ones(1, 6, 6)} for _ in range(2)]


def parts() -> dict[str, Any]:
    return {"network": nn.Conv2d(2, 2, 1), "dataloader": DataLoader(PAIRS, batch_size=2), "inferer": SimpleInferer()}


def test_handlers_meet_a_trainer_that_is_whole() -> None:
    class Handler:
        def attach(self, engine: Any) -> None:
            self.met = engine.network, engine.optimizer

    given, handler = parts(), Handler()
    optimizer = torch.optim.SGD(given["network"].parameters(), lr=0.1)
    before = given["network"].bias.detach().clone()
    loss = Mock(side_effect=lambda ddf, batch: ddf.square().mean())
    trainer = training_engine(
        loss=loss,
        optimizer=optimizer,
        max_epochs=1,
        train_handlers=[handler],
        **given,
    )
    assert handler.met == (given["network"], optimizer)
    trainer.run()
    assert [sorted(call.args[1]) for call in loss.call_args_list] == [["fixed_image", "moving_image"]]
    assert not torch.equal(given["network"].bias, before)


@pytest.mark.parametrize(("amp", "expected"), [(True, torch.bfloat16), (False, torch.float32)])
def test_mixed_precision_reaches_a_cpu(amp: bool, expected: torch.dtype) -> None:
    given = parts()
    loss = Mock(side_effect=lambda ddf, batch: ddf.float().square().mean())
    training_engine(
        loss=loss,
        optimizer=torch.optim.SGD(given["network"].parameters(), lr=0.1),
        max_epochs=1,
        amp=amp,
        **given,
    ).run()
    assert [call.args[0].dtype for call in loss.call_args_list] == [expected]


def test_the_first_metric_is_the_one_that_counts() -> None:
    metrics = registration_metrics(["similarity", "folding_percent"], similarity=nn.MSELoss())
    validator = validation_engine(metrics=metrics, metric_cmp_fn=operator.lt, **parts())
    validator.run()
    assert validator.state.key_metric_name == "similarity"
    assert set(validator.state.metrics) == {"similarity", "folding_percent"}
    assert validator.state.best_metric == validator.state.metrics["similarity"]


def test_an_evaluation_has_the_weights_of_its_file(tmp_path: Path) -> None:
    trained = nn.Conv2d(2, 2, 1)
    torch.save({"a": trained.half().state_dict(), "b": nn.Conv2d(2, 3, 1).state_dict()}, tmp_path / "weights.pt")
    given = parts() | {"metrics": registration_metrics(["ncc"]), "checkpoint": tmp_path / "weights.pt"}
    validation_engine(checkpoint_key="a", **given)
    assert torch.equal(given["network"].weight, trained.weight.float())
    with pytest.raises(ValueError, match=r"^The weights in .*weights\.pt do not fit the network: 2 of 2 are"):
        validation_engine(checkpoint_key="b", **given)
