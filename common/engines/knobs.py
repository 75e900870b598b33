"""What each knob of the configs may be: its kind comes from the config's own default, its range from one table here."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, NamedTuple

import torch

from common.data.pairs import PAIR_KEYS
from common.data.pseudo_labelled_pairs import SAMPLINGS
from common.io import InputError
from common.networks.nets.dirnet import POOLINGS, TRANSFORMERS
from common.networks.nets.progressive_unet import COMBINATIONS

PATHS = {*PAIR_KEYS, "bundle_root", "checkpoint", "cine", "ckpt_dir", "datalist", "dataset_dir", "initial_transform"}
PATHS |= {"initial_weights", "label", "output_dir", "pretraining_dir", "validation_datalist"}
NULL = ("null", "none")  # as the command line hands them over
WORDS = {"true": True, "false": False}
ANY = range(1, 1000)


class Range(NamedTuple):
    """Bounds of a number, both allowed; a whole number where they are whole.

    Attributes:
        low: least.
        high: most.
        counts: how many numbers; 0 is one that is no list.
        words: what else may be given.
    """

    low: float
    high: float
    counts: Sequence[int] = ()
    words: Sequence[str] = ()

    @property
    def whole(self) -> bool:
        """Whether the number is a whole one."""
        return isinstance(self.low, int)


EVER = 10**6  # epochs
SHARE = Range(0.0, 1.0)
WEIGHT = Range(0.0, 1e6)
DEGREES = Range(0.0, 180.0)
VOXELS = Range(0.0, 1000.0)
PHASE = Range(0, EVER, words=("all",))
RANGES: Mapping[str, Range] = {
    **dict.fromkeys(("epochs", "epochs_per_stage", "label_pairs", "stages"), Range(1, EVER)),
    **dict.fromkeys(("snapshot_interval", "val_interval", "validation_pairs"), Range(1, EVER)),
    **dict.fromkeys(("instance_iterations", "label_instance_iterations"), Range(0, 10**4)),
    **dict.fromkeys(("margin", "margin_voxels"), Range(0, 1000)),
    **dict.fromkeys(("duration", "thousand", "transition"), Range(0, 10**9)),
    **dict.fromkeys(("overlap_weight", "regularization_weight", "similarity_weight"), WEIGHT),
    **dict.fromkeys(("cascades", "multiplier", "repetitions", "scan_channels"), Range(1, 64)),
    **dict.fromkeys(("determinant_weight", "orthogonality_weight", "smoothness_weight"), WEIGHT),
    "affine_probability": SHARE,
    "augmentation_strength": SHARE,
    "base_channels": Range(1, 1024),
    "batch_size": Range(1, 1024),
    "cache_rate": SHARE,
    "channels": Range(1, 1024),
    "convolutions": Range(1, 16),
    "dense_shape": Range(1, 4096, counts=(2, 3)),
    "digit": Range(0, 9),
    "downsamplings": Range(1, 8),
    "final_learning_rate": Range(0.0, 10.0),
    "fixed_phase": PHASE,
    "flip_probability": SHARE,
    "independent_gamma": Range(0.01, 100.0),
    "independent_noise": WEIGHT,
    "independent_probability": SHARE,
    "independent_rotation_degrees": DEGREES,
    "independent_translation_voxels": VOXELS,
    "independent_zoom": Range(0.0, 0.9),
    "levels": Range(1, 8),
    "margin_probability": SHARE,
    "label_consistency_iterations": Range(0, 10**4),
    "label_regularization": WEIGHT,
    "labels": Range(1, 2**31 - 1),
    "largest_extent_mm": Range(1.0, 1e5),
    "learning_rate": Range(1e-12, 10.0),
    "moving_phase": PHASE,
    "momentum": Range(0.0, 0.999),
    "num_workers": Range(0, 256),
    "order": Range(2, 3),
    "organs": Range(1, 1000),
    "pairs_per_epoch": Range(1, 10**9),
    "quarter_turn_probability": SHARE,
    "regularization": WEIGHT,  # where it is no component
    "residual_weight": SHARE,
    "rotation_degrees": DEGREES,
    "samples": Range(1, 1000),
    "scale_mm": Range(1.0, 1e4, counts=(3,)),
    "seed": Range(0, 2**32 - 1),
    "slices_at_once": Range(1, EVER),
    "smoothing": WEIGHT,
    "spacing": Range(1e-3, 1e3, counts=(0, 2, 3)),
    "spatial_dims": Range(2, 3),
    "minimum_size": Range(4, 4096),
    "sigma": Range(0.1, 100.0),
    "spatial_size": Range(4, 4096),
    "training_stride": Range(1, 8),
    "translation_voxels": VOXELS,
    "whole_size": Range(4, 4096, counts=(2, 3)),
    "widths": Range(1, 4096),
    "zoom": Range(0.0, 0.9),
}
CHOICES: Mapping[str, Callable[[], Sequence[str]]] = {
    "backend": lambda: ("nccl", "gloo"),
    "combination": lambda: COMBINATIONS,
    "compile": lambda: torch.compiler.list_backends(exclude_tags=()),
    "pooling": lambda: POOLINGS,
    "rotation_axes": lambda: ("all", "one"),
    "regularized": lambda: ("ddf", "gradients"),
    "sampling": lambda: SAMPLINGS,
    "transformer": lambda: TRANSFORMERS,
}


def check_knob(name: str, value: Any, default: Any) -> Any:
    """Check what an id of a config was set to.

    Args:
        name: of the id.
        value: literal from a config, the command line or Python; an expression or a component that the parser builds
            (``$...``, ``@...``, ``_target_``) is its author's business.
        default: what the config itself says, from which the kind follows.

    Returns:
        The value; the words true, false and null of a command line as what they mean.

    Raises:
        InputError: in one sentence, if the knob is of another kind or outside its range.
    """
    default = "cpu" if name == "device" else default  # an expression in the configs
    if name == "labels" and _are_numbers(default) and _is_number(value, whole=True) and value in ANY:
        warnings.warn("--labels is a list of the values now; their number goes in the next version.", FutureWarning, 2)
        value = list(range(1, value + 1))
    if isinstance(value, str) and default is None and value.lower() in NULL:
        value = None
    if isinstance(value, str) and isinstance(default, bool):
        value = WORDS.get(value.lower(), value)
    if (value is None and default is None) or is_built(value) or not _is_literal(value):
        return value
    if name in CHOICES:
        fits, kind = value in CHOICES[name](), f"one of {', '.join(CHOICES[name]())}"
    elif (rule := _range(name, default)) is not None:
        fits, kind = _in_range(value, rule), _describe_range(name, rule)
    else:
        fits, kind = _is_like(value, default), _describe(default)
    if not fits:
        raise InputError(f"--{name} is expected to be {kind}, got {_short(value)}.")
    return value


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


def _is_literal(value: Any) -> bool:
    return value is None or isinstance(value, bool | str | Real | list | tuple | Mapping)


def _is_number(value: Any, whole: bool = False) -> bool:
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
    return alone and _is_number(value, rule.whole) and rule.low <= value <= rule.high


def _is_like(value: Any, default: Any) -> bool:
    """Whether a value is of the kind of another."""
    if is_built(default):
        return is_built(value)
    if default is None:
        return _is_like(value, "a name") or _is_like(value, ["names"])
    if isinstance(default, list | tuple):
        if not isinstance(value, list | tuple) or not value or (_are_numbers(default) and len(value) != len(default)):
            return False
        return all(_is_like(each, default[0]) for each in value) if default else True
    if isinstance(default, bool | str | Mapping):
        return isinstance(value, str if isinstance(default, str) else type(default)) and value != ""
    return _is_number(value, isinstance(default, Integral))


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list | tuple) and bool(values) and all(_is_number(value) for value in values)


def _describe_range(name: str, rule: Range) -> str:
    counts = ["a list of"] if rule.counts is ANY else [_count(count) for count in rule.counts]
    kind = "whole numbers" if rule.whole else "numbers"
    if not rule.counts:
        counts, kind = ["a"], kind[:-1]
    others = "".join(f", or {word}" for word in rule.words)
    unit = " in mm" if name in ("spacing", "largest_extent_mm", "scale_mm") else ""
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
        return f"a list such as {_short(default)}"
    if is_built(default):
        return f"an expression or a component that replaces {_short(default)}"
    return "a word" if isinstance(default, str) else "a dictionary"


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
