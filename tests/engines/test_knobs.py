"""Every knob says in one sentence what it may be."""

import math
from typing import Any

import pytest
import torch

from common.engines.knobs import check_knob


@pytest.mark.parametrize(
    ("name", "value", "default"),
    [
        ("epochs", 3, 600),
        ("spacing", 2, 1.4),
        ("spacing", [1.0, 2.0, 3.0], 1.4),
        ("spacing", None, None),
        ("spacing", 2.5, None),
        ("multiplier", "$@channels // 2", 8),
        ("dense_shape", "@spatial_size", None),
        ("fixed_phase", "all", None),
        ("fixed_phase", 0, None),
        ("spatial_size", [16, 32, 16], [64, 64, 64]),
        ("labels", [1, 5], [1]),
        ("spacing", (1.0, 2.0), "$@size"),
        ("whole_size", [64, 64, 64], "@spatial_size"),
        ("windows", [[400, 40], [800, 100]], [[400, 40]]),
        ("similarity", {"_target_": "torch.nn.MSELoss"}, {"_target_": "other"}),
        ("device", "cpu", "$torch.device('cpu')"),
        ("device", torch.device("cpu"), "$torch.device('cpu')"),
        ("pooling", "max", "average"),
        ("held_out", ["A", "B"], None),
        ("compile", "eager", None),
        ("remainder", -0.0, 0.5),
        ("anything", [1], []),
        ("augmentation", [], [{"_target_": "other"}]),
        ("metrics", ["tre_mm", "dice"], ["dice"]),
        ("settings", {}, {"features": "@features"}),
    ],
)
def test_knob_may_be(name: str, value: Any, default: Any) -> None:
    assert check_knob(name, value, default) is value


@pytest.mark.parametrize(
    ("word", "default", "meaning"),
    [("true", False, True), ("False", True, False), ("null", None, None), ("None", None, None)],
)
def test_words_of_the_command_line_are_what_they_mean(word: str, default: Any, meaning: Any) -> None:
    assert check_knob("knob", word, default) is meaning


@pytest.mark.parametrize(
    ("name", "value", "default", "message"),
    [
        (
            "spacing",
            "abc",
            None,
            r"^--spacing is expected to be one or two or three numbers from 0.001 to 1000 in mm",
        ),
        (
            "whole_size",
            64,
            "@spatial_size",
            r"^--whole_size is expected to be two or three whole numbers from 4 to 4096, got 64",
        ),
        ("spacing", [], None, r"^--spacing .*, got \[\]\.$"),
        ("spacing", -1, 1.4, "three numbers from 0.001"),
        ("multiplier", -0.0, 8, r"^--multiplier is expected to be a whole number from 1 to 64, got -0\.0\.$"),
        ("multiplier", True, 8, r"a whole number from 1 to 64, got True\.$"),
        ("seed", [[1, 2], [3]], 0, r"a whole number from 0 to 4294967295, got \[\[1, 2\], \[3\]\]\.$"),
        ("labels", "all", [1], "a list of whole numbers from 1 to 2147483647, got all"),
        ("labels", [0], [1], "a list of whole numbers from 1"),
        ("learning_rate", True, 0.1, "a number from 1e-12 to 10, got True"),
        ("learning_rate", math.nan, 0.1, "a number from 1e-12 to 10, got nan"),
        ("learning_rate", 1e300, 0.1, r"a number from 1e-12 to 10, got 1e\+300"),
        ("rotation_degrees", {"a": 1}, 20, r"a number from 0 to 180, got \{'a': 1\}"),
        ("spatial_size", [16, 16], [64, 64, 64], "three whole numbers from 4 to 4096, got"),
        ("spatial_size", None, [64, 64, 64], "three whole numbers from 4 to 4096, got None"),
        ("fixed_phase", "every", None, "a whole number from 0 to 1000000, or all, got every"),
        ("amp", 0, False, r"^--amp is expected to be true or false, got 0\.$"),
        ("amp", "yes", False, "true or false, got yes"),
        ("regularization", 1.0, {"_target_": "other"}, "an expression or a component that replaces"),
        ("regularization", -1.0, "$10.0", "a number from 0 to 1e"),
        ("similarity", "abc", {"_target_": "other"}, "an expression or a component that replaces"),
        ("network", 3, "$@network_def", r"an expression or a component that replaces \$@network_def, got 3"),
        ("train", "x", {"trainer": {}}, "a dictionary, got x"),
        ("word", 1, "average", "a word, got 1"),
        ("windows", [400, 40], [[400, 40]], r"a list such as \[\[400, 40\]\], got"),
        ("held_out", 3, None, "a name, got 3"),
        ("pooling", "abc", "average", "one of average, max, convolution, got abc"),
        ("rotation_axes", "abc", "all", "one of all, one, got abc"),
        ("compile", "abc", None, "one of .*eager.*, got abc"),
        ("epochs", 10**400, 600, "a whole number from 1 to 1000000, got 1000"),
        (
            "metrics",
            ["dice", "dise"],
            ["dice"],
            r"^--metrics is expected to be a list out of dice, .*, got \['dice",
        ),
        ("metrics", [], ["dice"], r"a list out of dice, .*, got \[\]"),
        ("metrics", "dice", ["dice"], r"a list out of dice, .*, got dice\.$"),
        ("window", [300, -200], [-200, 300], r"a list such as .*, the lower number before the higher one, got \[300,"),
        ("independent_gamma", [2.0, 1.0], [0.7, 1.5], "two numbers from 0.01 to 100, the lower number before the"),
        ("warps", [[0, 2]], [[8, 2]], r"a list such as \[\[8, 2\]\], numbers of 1 or more, got \[\[0, 2\]\]"),
        ("points", [0, 1], [1024, 2048], "numbers of 1 or more, got"),
        ("windows", [[0, 40]], [[400, 40]], "widths above 0, each before its level, got"),
        ("other", 1.5, 2, "a whole number, got 1.5"),
        ("other", "x", 2.0, "a number, got x"),
        ("other", ["x"] * 99, 2.0, r"a number, got .*\.\.\.\.$"),
    ],
)
def test_knob_may_not_be(name: str, value: Any, default: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        check_knob(name, value, default)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "value"), [("spacing", 8), ("search_spacing", 2.5)])
def test_one_spacing_stands_for_every_axis(name: str, value: float) -> None:
    assert check_knob(name, value, [2.0, 2.0, 2.0]) == [value] * 3
    with pytest.raises(ValueError, match=f"--{name} is expected to be .*three numbers from 0.001 to 1000 in mm, got"):
        check_knob(name, -value, [2.0, 2.0, 2.0])


def test_number_of_labels_is_an_old_form_of_their_values() -> None:
    with pytest.warns(FutureWarning, match=r"^--labels is a list of the values now"):
        assert check_knob("labels", 3, [1, 2]) == [1, 2, 3]
