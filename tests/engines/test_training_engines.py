import operator
from typing import Any

import torch
from monai.inferers import SimpleInferer
from torch import nn
from torch.utils.data import DataLoader

from common.engines import registration_metrics, training_engine, validation_engine

PAIRS = [{"fixed_image": torch.zeros(1, 6, 6), "moving_image": torch.ones(1, 6, 6)} for _ in range(2)]


def parts() -> dict[str, Any]:
    return {"network": nn.Conv2d(2, 2, 1), "dataloader": DataLoader(PAIRS, batch_size=2), "inferer": SimpleInferer()}


def test_handlers_meet_a_trainer_that_is_whole() -> None:
    class Handler:
        def attach(self, engine: Any) -> None:
            self.met = engine.network, engine.optimizer

    given, handler = parts(), Handler()
    optimizer = torch.optim.SGD(given["network"].parameters(), lr=0.1)
    before = given["network"].bias.detach().clone()
    seen = []
    trainer = training_engine(
        loss=lambda ddf, batch: seen.append(sorted(batch)) or ddf.square().mean(),
        optimizer=optimizer,
        max_epochs=1,
        train_handlers=[handler],
        **given,
    )
    assert handler.met == (given["network"], optimizer)
    trainer.run()
    assert seen == [["fixed_image", "moving_image"]]
    assert not torch.equal(given["network"].bias, before)


def test_the_first_metric_is_the_one_that_counts() -> None:
    metrics = registration_metrics(["similarity", "folding_percent"], similarity=nn.MSELoss())
    validator = validation_engine(metrics=metrics, metric_cmp_fn=operator.lt, **parts())
    validator.run()
    assert validator.state.key_metric_name == "similarity"
    assert set(validator.state.metrics) == {"similarity", "folding_percent"}
    assert validator.state.best_metric == validator.state.metrics["similarity"]
