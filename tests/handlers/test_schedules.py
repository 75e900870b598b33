import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from monai.bundle import ConfigParser
from torch import nn

from common.handlers import approach, constant, cosine, exponential, linear, schedules, stepwise

SMOOTH = [linear, cosine, exponential]


@pytest.mark.parametrize("schedule", SMOOTH)
@pytest.mark.parametrize(("start", "end"), [(1.0, 0.1), (0.1, 1.0)])
def test_schedule_goes_from_start_to_end(schedule: Any, start: float, end: float) -> None:
    values = [schedule(step, start=start, end=end, over=10) for step in range(13)]
    assert values[0] == pytest.approx(start)
    assert values[10:] == pytest.approx([end] * 3)
    assert sorted(values, reverse=start > end) == values
    assert len(set(values[:11])) == 11


@pytest.mark.parametrize("schedule", SMOOTH)
def test_schedule_stays_where_start_is_end(schedule: Any) -> None:
    assert {round(schedule(step, start=0.3, end=0.3, over=5), 12) for step in range(8)} == {0.3}


def test_constant() -> None:
    assert {constant(step, value=0.5) for step in range(4)} == {0.5}


def test_linear_holds() -> None:
    values = [linear(step, start=0.0, end=3.0, over=3, hold=2) for step in range(7)]
    assert values == pytest.approx([0, 0, 0, 1, 2, 3, 3])


def test_cosine_half_way() -> None:
    assert cosine(5, start=1.0, end=0.2, over=10) == pytest.approx(0.6)


def test_cosine_warms_up() -> None:
    values = [cosine(step, start=4.0, end=0.0, over=9, warmup=3) for step in range(5)]
    assert values[:4] == pytest.approx([1, 2, 3, 4])
    assert values[4] == pytest.approx(2 + 2 * math.cos(math.pi / 6))


def test_cosine_is_that_of_torch() -> None:
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    annealing = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=8, eta_min=0.1)
    for step in range(9):
        assert cosine(step, start=1.0, end=0.1, over=8) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        annealing.step()


def test_exponential_is_geometric() -> None:
    values = [exponential(step, start=8.0, end=1.0, over=3) for step in range(5)]
    assert values == pytest.approx([8, 4, 2, 1, 1])


def test_curricula_of_the_paper(oracle: Callable) -> None:
    recorded = oracle("000_schedules_derived")
    steps = recorded["steps"].tolist()
    for name, start in (("sigma", 1.0), ("dropout", 0.5)):
        values = [linear(step, start=start, end=0.0, over=20000) for step in steps]
        assert values == pytest.approx(recorded[name], abs=1e-6)


def test_approach_is_that_of_morerio(oracle: Callable) -> None:
    recorded = oracle("000_schedules_derived")
    rate = float(recorded["morerio_keep_gamma"])
    kept = [1 - approach(step, start=0.0, end=0.5, rate=rate) for step in recorded["steps"].tolist()]
    assert kept == pytest.approx(recorded["morerio_keep_p05"], abs=1e-6)


def test_stepwise_takes_the_next_value_at_a_milestone() -> None:
    assert [stepwise(step, values=[3, 2, 1], milestones=[1, 4]) for step in range(6)] == [3, 2, 2, 2, 1, 1]
    assert stepwise(5, values=[3], milestones=[]) == 3


def test_schedules_reject_wrong_arguments() -> None:
    with pytest.raises(ValueError, match=r"linear\(\) expects 'over' to leave at least one step, got 0\."):
        linear(0, start=1, end=0, over=0)
    with pytest.raises(ValueError, match=r"cosine\(\) expects 'over' to leave at least one step, got -1\."):
        cosine(0, start=1, end=0, over=2, warmup=3)
    with pytest.raises(ValueError, match=r"exponential\(\) expects 'over' to leave at least one step, got 0\."):
        exponential(0, start=1, end=1, over=0)
    with pytest.raises(ValueError, match=r"exponential\(\) expects 'start' and 'end' to be positive, got 1 and 0\."):
        exponential(0, start=1, end=0, over=2)
    with pytest.raises(ValueError, match=r"approach\(\) expects 'rate' to be positive, got 0\."):
        approach(0, start=0, end=1, rate=0)
    with pytest.raises(ValueError, match=r"stepwise\(\) expects one more of 'values' than of 'milestones', got 1 and"):
        stepwise(0, values=[1], milestones=[1])
    with pytest.raises(ValueError, match=r"stepwise\(\) expects 'milestones' to ascend, got \[2, 1\]\."):
        stepwise(0, values=[1, 2, 3], milestones=[2, 1])


@pytest.mark.parametrize(
    ("schedule", "numbers"),
    [
        (linear, {"start": 1, "end": 0, "over": 4, "hold": 1}),
        (cosine, {"start": 1, "end": 0, "over": 4, "warmup": 1}),
        (exponential, {"start": 1, "end": 0.1, "over": 4}),
        (approach, {"start": 1, "end": 0, "rate": 0.1}),
    ],
)
def test_schedules_reject_text(schedule: Callable[..., float], numbers: dict[str, float]) -> None:
    for name in numbers:
        with pytest.raises(ValueError, match=rf"{schedule.__name__}\(\) expects '{name}' to be a number, got abc\."):
            schedule(0, **{**numbers, name: "abc"})


@pytest.mark.parametrize("level", ["epoch", "iteration"])
def test_schedules_in_a_config(training: Any, tmp_path: Path, level: str) -> None:
    """As in a train.json: MONAI's handler sets a weight of the loss, torch's scheduler the learning rate."""
    run = training(tmp_path, 3)
    schedule = {"_target_": "common.handlers.linear", "_mode_": "callable", "start": 1.0, "end": 0.0, "over": 10}
    parser = ConfigParser(
        {
            "imports": ["$import functools"],
            "loss": run.loss,
            "optimizer": run.optimizer,
            "lr_scheduler": {
                "_target_": "torch.optim.lr_scheduler.LambdaLR",
                "optimizer": "@optimizer",
                "lr_lambda": schedule,
            },
            "curriculum": {
                "_target_": "ParamSchedulerHandler",
                "parameter_setter": "$functools.partial(setattr, @loss, 'factor')",
                "value_calculator": schedule,
                "vc_kwargs": {},
                "epoch_level": level == "epoch",
                "event": f"{level.upper()}_STARTED",
            },
        }
    )
    lr_lambda = parser.get_parsed_content("lr_scheduler").lr_lambdas[0]
    assert isinstance(lr_lambda, functools.partial)
    assert (lr_lambda.func, lr_lambda(5)) == (schedules.linear, 0.5)
    parser.get_parsed_content("curriculum").attach(run.trainer)
    seen: list[float] = []
    run.trainer.add_event_handler("ITERATION_COMPLETED", lambda: seen.append(run.loss.factor))
    run.run()
    steps = [1, 1, 1, 2, 2, 2, 3, 3, 3] if level == "epoch" else range(1, 10)
    assert seen == pytest.approx([1 - step / 10 for step in steps])
