import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monai.bundle import ConfigParser

from common.handlers import progressive_levels
from common.networks.nets import ProgressiveUNet

TABLE = [(0, 4000), (1000, 3000), (2000, 4000), (2000, 6000), (4000, 12000)]


@pytest.mark.parametrize(("transition", "duration"), TABLE[1:])
def test_levels_are_those_of_the_paper(oracle: Callable, transition: int, duration: int) -> None:
    recorded = oracle("002_schedule_derived")
    ours = np.array([progressive_levels(t, transition=transition, duration=duration) for t in recorded["t"].tolist()])
    np.testing.assert_allclose(ours, recorded[f"alpha_{transition}_{duration}"], atol=1e-6)
    np.testing.assert_allclose(ours.cumsum(axis=1), recorded[f"beta_{transition}_{duration}"], atol=1e-6)


@pytest.mark.parametrize("levels", [1, 3, 5])
@pytest.mark.parametrize(("transition", "duration"), TABLE)
def test_levels_sum_to_one_and_two_at_most_count(transition: int, duration: int, levels: int) -> None:
    for step in range(0, 40000, 37):
        alpha = progressive_levels(step, levels=levels, transition=transition, duration=duration)
        assert len(alpha) == levels
        assert sum(alpha) == 1
        counting = [level for level, weight in enumerate(alpha) if weight]
        assert counting[-1] - counting[0] <= 1
    assert alpha[-1] == 1


def test_no_transition_is_a_switch() -> None:
    levels = [progressive_levels(step, levels=3, transition=0, duration=4).index(1) for step in range(8)]
    assert levels == [0, 0, 1, 1, 1, 1, 2, 2]


def test_no_duration_is_the_baseline() -> None:
    assert progressive_levels(0, levels=3, transition=0, duration=0) == (0, 0, 1)


@pytest.mark.parametrize("options", [{"levels": 0}, {"transition": -1}, {"transition": 4, "duration": 7}])
def test_wrong_arguments_raise(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"expects 'levels' of 1 or more and a 'duration' of two transitions or more"):
        progressive_levels(0, **options)


def test_levels_in_a_config_are_resumed(training: Any, tmp_path: Path) -> None:
    """As in a train.json: MONAI's handler sets the network's weights of its levels."""

    def run(folder: str, epochs: int, **options: Any) -> list[tuple[int, tuple[float, ...]]]:
        network = ProgressiveUNet(2, base_channels=1, levels=3)
        made = training(tmp_path / folder, epochs, **options)
        schedule = {
            "_target_": "common.handlers.progressive_levels",
            "_mode_": "callable",
            "levels": 3,
            "transition": 3,
            "duration": 6,
        }
        parser = ConfigParser(
            {
                "imports": ["$import functools"],
                "network": network,
                "growth": {
                    "_target_": "ParamSchedulerHandler",
                    "parameter_setter": "$functools.partial(setattr, @network, 'alpha')",
                    "value_calculator": schedule,
                    "vc_kwargs": {},
                    "event": "ITERATION_STARTED",
                },
            }
        )
        parser.get_parsed_content("growth").attach(made.trainer)
        seen: list[tuple[int, tuple[float, ...]]] = []
        made.trainer.add_event_handler(
            "ITERATION_COMPLETED", lambda engine: seen.append((engine.state.iteration, network.alpha))
        )
        made.run()
        return seen

    straight = run("straight", 4)
    first, resumed = run("resumed", 2), run("resumed", 4, resume=True)
    assert first + resumed == straight
    schedule = functools.partial(progressive_levels, levels=3, transition=3, duration=6)
    assert straight == [(step, schedule(step)) for step in range(1, 13)]
    assert len({alpha for _, alpha in straight}) > 4
