"""Random poses, contrasts and noise of a pair: both scans alike, and each by itself.

MONAI has the transforms; which keys they are for, and that one of several is drawn, would be the same in every config.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import pi
from numbers import Real
from typing import Any

from monai.transforms import (
    Compose,
    OneOf,
    RandAdjustContrastd,
    RandAffined,
    RandFlipd,
    RandGaussianNoised,
    RandRotate90d,
    Transform,
)

from common.io import InputError
from common.transforms import RandFieldOfViewd

IMAGES = ("fixed_image", "moving_image")
KEYS = (*IMAGES, "fixed_label", "moving_label")


def pair_augmentation(
    spatial_size: Sequence[int],
    flip_probability: float = 0.0,
    quarter_turn_probability: float = 0.0,
    margin: Mapping[str, Any] | None = None,
    affine: Mapping[str, Any] | None = None,
    independent: Mapping[str, Any] | None = None,
) -> Compose:
    """Build the augmentation of pairs: `fixed_image`, `moving_image` and, where there are, their labels.

    Args:
        spatial_size: of the scans, voxels.
        flip_probability: along each axis.
        quarter_turn_probability: of one to three quarter turns in one of the planes.
        margin: of each scan by itself, first of all: `probability` and `voxels` of a narrower field of view, see
            `common.transforms.RandFieldOfViewd`.
        affine: of both scans alike: `probability`, `rotation_degrees`, `translation_voxels`, `zoom`, the largest there
            can be; `rotation_axes` "all" or "one" of them at a time.
        independent: of each scan by itself, before: the same but for the axes, and `gamma`, lowest and highest, and
            `noise`, the largest standard deviation. Nothing is drawn where its `probability` is 0.

    Returns:
        The transforms; 2-D or 3-D.

    Raises:
        InputError: if there is a word where a number belongs.
    """
    dims = len(spatial_size)
    transforms: list[Transform] = []
    if margin:
        transforms.append(RandFieldOfViewd(IMAGES, margin["probability"], margin["voxels"]))
    if independent and independent["probability"]:
        transforms += _independent(spatial_size, **independent)
    transforms += [RandFlipd(KEYS, flip_probability, axis, allow_missing_keys=True) for axis in range(dims)]
    planes = combinations(range(dims), 2)
    turns = [RandRotate90d(KEYS, quarter_turn_probability, 3, plane, allow_missing_keys=True) for plane in planes]
    transforms.append(OneOf(turns))
    if affine:
        transforms.append(_common_affine(spatial_size, **affine))
    return Compose(transforms)


def _common_affine(spatial_size: Sequence[int], probability: float, rotation_axes: str, **ranges: float) -> OneOf:
    """One affine transform of both scans, about all axes at once or about one of them."""
    axes = range(3 if len(spatial_size) == 3 else 1)
    choices = [[1.0] * len(axes)] if rotation_axes == "all" else [[float(a == b) for b in axes] for a in axes]
    return OneOf([_affine(KEYS, spatial_size, probability, turned, **ranges) for turned in choices])


def _independent(
    spatial_size: Sequence[int],
    probability: float,
    gamma: Sequence[float],
    noise: float,
    **ranges: float,
) -> list[Transform]:
    turned = [1.0] * (3 if len(spatial_size) == 3 else 1)
    low, high = gamma
    return [
        *(RandAdjustContrastd(key, probability, (low, high), retain_stats=True) for key in IMAGES),
        *(RandGaussianNoised(key, probability, std=noise) for key in IMAGES),
        *(_affine(KEYS[side::2], spatial_size, probability, turned, **ranges) for side in (0, 1)),
    ]


def _affine(
    keys: Sequence[str],
    spatial_size: Sequence[int],
    probability: float,
    turned: Sequence[float],
    rotation_degrees: float,
    translation_voxels: float,
    zoom: float,
) -> RandAffined:
    dims, figures = len(spatial_size), (probability, rotation_degrees, translation_voxels, zoom)
    if not all(isinstance(figure, Real) for figure in figures):
        raise InputError(f"A random affine map is expected to be told by numbers, got {', '.join(map(str, figures))}.")
    return RandAffined(
        keys,
        spatial_size,
        prob=probability,
        rotate_range=[pi * rotation_degrees / 180 * share for share in turned],
        translate_range=[translation_voxels] * dims,
        scale_range=[zoom] * dims,
        mode=["bilinear" if key in IMAGES else "nearest" for key in keys],
        padding_mode="zeros",  # what a `CaseGrid` fills with
        cache_grid=True,
        allow_missing_keys=True,
    )
