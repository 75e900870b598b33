"""The words of the package: in which order arguments come, and how the items of a pair are called."""

import inspect
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from common import losses, metrics, optimization, reports, spatial, transforms
from common.data.pairs import PAIR_KEYS
from common.networks import nets

PREDICTIONS = ("prediction", "warped", "warped_label", "warped_points", "y_pred")
REFERENCES = ("reference", "fixed", "fixed_label", "moving_points", "y", "batch")


def callables(*rooms: Any) -> list[Any]:
    """What the rooms export: functions, constructors, and what is called of losses and metrics."""
    found = []
    for member in (member for room in rooms for member in vars(room).values() if callable(member)):
        methods = ("forward", "_compute_tensor", "__init__") if inspect.isclass(member) else ()
        found += [getattr(member, name) for name in methods if hasattr(member, name)] or [member]
    return [each for each in found if inspect.isfunction(each)]


def identify(function: Callable) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def places(function: Callable, words: tuple[str, ...]) -> list[int]:
    return [place for place, name in enumerate(inspect.signature(function).parameters) if name in words]


@pytest.mark.parametrize("function", callables(losses, metrics), ids=identify)
def test_convention_losses_and_metrics_take_the_prediction_before_the_reference(function: Callable) -> None:
    predictions, references = places(function, PREDICTIONS), places(function, REFERENCES)
    assert not predictions or not references or max(predictions) < min(references)
    names = list(inspect.signature(function).parameters)
    assert not {"fixed_label", "warped_label"} & set(names) or names[:2] == ["warped_label", "fixed_label"]


@pytest.mark.parametrize("function", callables(nets, optimization, reports, spatial, transforms), ids=identify)
def test_convention_fixed_comes_before_moving_everywhere_else(function: Callable) -> None:
    names = list(inspect.signature(function).parameters)
    for fixed in (name for name in names if name.startswith("fixed")):
        moving = fixed.replace("fixed", "moving", 1)
        assert moving not in names or names.index(fixed) < names.index(moving)


def test_convention_keys_of_a_pair_are_its_sides_and_kinds() -> None:
    expected = {
        f"{side}_{kind}"
        for side, kind in product(("fixed", "moving"), ("image", "label", "mask", "keypoints", "cloud"))
    }
    assert set(PAIR_KEYS) == expected
