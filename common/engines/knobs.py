"""What each knob of the configs may be: its kind comes from the config's own default, its range from one table."""

import math
import warnings
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from common.data.pairs import PAIR_KEYS
from common.io import InputError

from ._knob_ranges import CHOICES, RANGES, RULES, Range

PATHS = {*PAIR_KEYS, "bundle_root", "checkpoint", "cine", "ckpt_dir", "datalist", "dataset_dir", "initial_transform"}
PATHS |= {"initial_weights", "label", "output_dir", "pretraining_dir", "segmenter", "validation_datalist"}
NULL = ("null", "none")  # as the command line hands them over
WORDS = {"true": True, "false": False}
ANY = range(1, 1000)
SPACINGS = ("spacing", "instance_spacing", "search_spacing")  # one number stands for every axis


def check_knob(name: str, value: Any, default: Any) -> Any:
    """Check what an id of a config was set to.

    Args:
        name: of the id.
        value: literal from a config, the command line or Python; an expression or a component that the parser builds
            (``$...``, ``@...``, ``_target_``) is its author's business.
        default: what the config itself says, from which the kind follows.

    Returns:
        The value; the words true, false and null of a command line as what they mean; one spacing for each axis.

    Raises:
        InputError: in one sentence, if the knob is of another kind or outside its range.
    """
    default = "cpu" if name == "device" else default  # an expression in the configs
    if name == "labels" and _are_numbers(default) and is_number(value, whole=True) and value in ANY:
        warnings.warn("--labels is a list of the values now; their number goes in the next version.", FutureWarning, 2)
        value = list(range(1, value + 1))
    if isinstance(value, str) and default is None and value.lower() in NULL:
        value = None
    if isinstance(value, str) and isinstance(default, bool):
        value = WORDS.get(value.lower(), value)
    if (value is None and default is None) or is_built(value) or not is_literal(value):
        return value
    fits, kind = _judge(name, value, default)
    if fits and name in RULES and isinstance(value, list | tuple) and not any(map(is_built, value)):
        keeps, also = RULES[name]
        fits, kind = keeps(value), f"{kind}, {also}"
    if not fits:
        raise InputError(f"--{name} is expected to be {kind}, got {short(value)}.")
    if name in SPACINGS and _are_numbers(default) and is_number(value):
        return [value] * len(default)
    return value


def _judge(name: str, value: Any, default: Any) -> tuple[bool, str]:
    """Whether a value is of the kind of a knob, and that in words."""
    if name in CHOICES and isinstance(default, list):
        words = CHOICES[name]()
        fits = isinstance(value, list | tuple) and bool(value) and all(each in words for each in value)
        return fits, f"a list out of {', '.join(words)}"
    if name in CHOICES:
        return value in CHOICES[name](), f"one of {', '.join(CHOICES[name]())}"
    if (rule := _range(name, default)) is not None:
        return _in_range(value, rule), _describe_range(name, rule)
    return _is_like(value, default), _describe(default)


def _range(name: str, default: Any) -> Range | None:
    """The range of a number or of a list of as many numbers as the default has; of any number where that has one."""
    rule = None if isinstance(default, Mapping) else RANGES.get(name)
    if rule is None or rule.counts or not isinstance(default, list | tuple):
        return rule
    counts = ANY if name == "labels" or len(default) == 1 else (len(default),)
    return rule._replace(counts=counts) if _are_numbers(default) else None


def is_built(value: Any) -> bool:
    """Whether the parser makes something of it."""
    return (isinstance(value, str) and value[:1] in ("$", "@")) or (isinstance(value, Mapping) and "_target_" in value)


def is_literal(value: Any) -> bool:
    """Whether it is something that a config or a command line can hold."""
    return value is None or isinstance(value, bool | str | Real | list | tuple | Mapping)


def is_number(value: Any, whole: bool = False) -> bool:
    """Whether it is a finite number, or a whole one."""
    if isinstance(value, bool) or not isinstance(value, Integral if whole else Real):
        return False
    return isinstance(value, Integral) or math.isfinite(value)


def _in_range(value: Any, rule: Range) -> bool:
    if isinstance(value, str):
        return value in rule.words
    if isinstance(value, list | tuple):
        return 0 < len(value) in rule.counts and all(
            _in_range(each, rule._replace(counts=(), words=())) for each in value
        )
    alone = not rule.counts or 0 in rule.counts
    return alone and is_number(value, rule.whole) and rule.low <= value <= rule.high


def _is_like(value: Any, default: Any) -> bool:
    """Whether a value is of the kind of another."""
    if is_built(default):
        return is_built(value)
    if default is None:
        return _is_like(value, "a name") or _is_like(value, ["names"])
    if isinstance(default, list | tuple):
        if value == [] and default and all(map(is_built, default)):  # no component at all
            return True
        if not isinstance(value, list | tuple) or not value or (_are_numbers(default) and len(value) != len(default)):
            return False
        return all(_is_like(each, default[0]) for each in value) if default else True
    if isinstance(default, bool | str | Mapping):
        return isinstance(value, str if isinstance(default, str) else type(default)) and value != ""
    return is_number(value, isinstance(default, Integral))


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list | tuple) and bool(values) and all(is_number(value) for value in values)


def _describe_range(name: str, rule: Range) -> str:
    counts = ["a list of"] if rule.counts is ANY else [_count(count) for count in rule.counts]
    kind = "whole numbers" if rule.whole else "numbers"
    if not rule.counts:
        counts, kind = ["a"], kind[:-1]
    others = "".join(f", or {word}" for word in rule.words)
    unit = " in mm" if name in (*SPACINGS, "largest_extent_mm", "scale_mm") else ""
    return f"{' or '.join(counts)} {kind} from {_figure(rule.low)} to {_figure(rule.high)}{unit}{others}"


def _figure(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


def _count(number: int) -> str:
    return ("one", "one", "two", "three")[number] if number < 4 else str(number)


def _describe(default: Any) -> str:
    """The kind of a default, in words."""
    if default is None:
        return "a name"
    if isinstance(default, bool):
        return "true or false"
    if isinstance(default, Real):
        return "a whole number" if isinstance(default, Integral) else "a number"
    if isinstance(default, list | tuple):
        return f"a list such as {short(default)}"
    if is_built(default):
        return f"an expression or a component that replaces {short(default)}"
    return "a word" if isinstance(default, str) else "a dictionary"


def short(value: Any) -> str:
    """A value for a message."""
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
