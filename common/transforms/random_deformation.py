"""Random B-spline deformations of a scan: as augmentation, and to make a pair of it.

MONAI's `Rand3DElasticd` draws a vector a voxel and smooths, and has no field to give.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform
from monai.utils import ensure_tuple

from common.spatial import RandomSpline, SplineField, compose_splines, deformed_pair, sample

PAIR_KEYS = ("fixed_image", "moving_image", "known_ddf", "fixed_mask")


class _RandomSplines(MapTransform, RandomizableTransform):
    """Draws fields from MONAI's random state, so that whatever seeds a transform seeds them."""

    def _draw(self, splines: Sequence[RandomSpline], shape: Sequence[int], device: torch.device) -> list[SplineField]:
        generator = torch.Generator().manual_seed(int(self.R.randint(2**31)))
        return [spline.draw(shape, 1, generator, device) for spline in splines]


class RandSplineDeformd(_RandomSplines):
    """Deform scans and their label maps by one random field, each by one interpolation.

    Args:
        keys: images, `(C, *spatial)`, all on one grid; interpolated linearly.
        splines: what is drawn; the first acts first on the coordinates, see `common.spatial.compose_splines`.
        label_keys: label maps and masks on the same grid; nearest neighbor. Those that are missing are left out.
        prob: how often anything is deformed.
        fill: what lies beyond the field of view of an image, in its unit; by default it continues its border. Label
            maps are 0 there.

    Raises:
        ValueError: if there is no spline.
    """

    def __init__(
        self,
        keys: KeysCollection,
        splines: Sequence[RandomSpline],
        label_keys: KeysCollection = (),
        prob: float = 1.0,
        fill: float | None = None,
    ) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob)
        if not splines:
            raise ValueError("RandSplineDeformd() expects 'splines' of one or more, got none.")
        self.splines = splines
        self.label_keys = ensure_tuple(label_keys)
        self.fill = fill

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Deform."""
        deformed = dict(data)
        self.randomize(None)
        if not self._do_transform:
            return deformed
        image = data[self.keys[0]]
        places = compose_splines(self._draw(self.splines, image.shape[1:], image.device), image.shape[1:])
        images: dict[str, Any] = (
            {"padding": "border"} if self.fill is None else {"padding": "inside", "fill": self.fill}
        )
        for key in self.keys:
            deformed[key] = sample(data[key][None], places, **images)[0]
        for key in self.label_keys:
            if key in data:
                deformed[key] = sample(data[key][None], places, mode="nearest", padding="inside")[0]
        return deformed


class RandDeformedPaird(_RandomSplines):
    """Make a pair with known correspondence out of one scan, see `common.spatial.deformed_pair`.

    Args:
        keys: the scan, `(C, *in)`.
        augmentation: what deforms both scans of the pair.
        motion: what deforms the fixed one on top, and is to be found.
        spatial_size: of the pair, over the field of view of the scan; by default the scan's.
        mask_key: where the scan counts, `(1, *in)`; everywhere if it is missing.
        fill: what lies beyond the field of view, in the unit of the image.

    Adds ``fixed_image``, ``moving_image``, `(C, *spatial)`, ``known_ddf`` from the fixed to the moving one,
    `(d, *spatial)` voxels, and ``fixed_mask``, `(1, *spatial)`.

    Raises:
        ValueError: if there is more than one scan.
    """

    def __init__(
        self,
        keys: KeysCollection,
        augmentation: Sequence[RandomSpline],
        motion: Sequence[RandomSpline],
        spatial_size: Sequence[int] | None = None,
        mask_key: str = "mask",
        fill: float = 0.0,
    ) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, 1.0)
        if len(self.keys) != 1:
            raise ValueError(f"RandDeformedPaird() expects 'keys' of one scan, got {', '.join(map(str, self.keys))}.")
        self.augmentation = augmentation
        self.motion = motion
        self.spatial_size = spatial_size
        self.mask_key = mask_key
        self.fill = fill

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Draw and deform."""
        scan = data[self.keys[0]]
        shape = scan.shape[1:] if self.spatial_size is None else self.spatial_size
        augmentation, motion = (self._draw(each, shape, scan.device) for each in (self.augmentation, self.motion))
        mask = data[self.mask_key][None] if self.mask_key in data else None
        pair = deformed_pair(scan[None], augmentation, motion, shape, mask, self.fill)
        return {**data, **{key: tensor[0] for key, tensor in zip(PAIR_KEYS, pair, strict=True)}}
