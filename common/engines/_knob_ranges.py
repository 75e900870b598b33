"""Which values the knobs of the configs may have: one line for each.

A knob that is not here may be whatever is of the kind of its default.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch

from common.data.pseudo_labelled_pairs import SAMPLINGS
from common.networks.nets.dirnet import POOLINGS, TRANSFORMERS
from common.networks.nets.progressive_unet import COMBINATIONS

from .pair_metrics import NAMES as METRICS


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
    "organ_count": Range(1, 1000),
    "pairs_per_epoch": Range(1, 10**9),
    "quarter_turn_probability": SHARE,
    **dict.fromkeys(("guide_weight", "instance_regularization", "regularization"), WEIGHT),  # where it is no component
    "residual_weight": SHARE,
    "rotation_degrees": DEGREES,
    "samples": Range(1, 1000),
    "scale_mm": Range(1.0, 1e4, counts=(3,)),
    "seed": Range(0, 2**32 - 1),
    "slices_at_once": Range(1, EVER),
    "smoothing": WEIGHT,
    "search_spacing": Range(1e-3, 1e3, counts=(0, 3)),
    **dict.fromkeys(("instance_spacing", "spacing"), Range(1e-3, 1e3, counts=(0, 2, 3))),
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
    "metrics": lambda: METRICS,
    "pooling": lambda: POOLINGS,
    "rotation_axes": lambda: ("all", "one"),
    "regularized": lambda: ("ddf", "gradients"),
    "sampling": lambda: SAMPLINGS,
    "transformer": lambda: TRANSFORMERS,
}


def _all(values: object, low: float) -> bool:
    """Whether all numbers in a list, or in lists in it, are of so much or more."""
    if isinstance(values, list | tuple):
        return all(_all(value, low) for value in values)
    return not isinstance(values, int | float) or values >= low


ASCENDING = (lambda value: value[0] < value[1], "the lower number before the higher one")
RULES: Mapping[str, tuple[Callable[[Sequence], bool], str]] = {  # of lists that are of the right kind
    **dict.fromkeys(("independent_gamma", "window"), ASCENDING),
    **dict.fromkeys(("warps", "label_warps", "points"), (lambda value: _all(value, 1), "numbers of 1 or more")),
    "windows": (lambda value: all(_all(width, 1e-6) for width, _ in value), "widths above 0, each before its level"),
}
