"""Everything of the moving scan, brought onto the fixed one."""

import logging
from collections.abc import Hashable, Mapping, Sequence
from itertools import groupby
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from common.io import ONE_SLICE, Field, grid_of

from .warp import field_of, pull_points, warp_scans
from .without_partner import points_without_partner

logger = logging.getLogger("common")


class WarpToFixedd(MapTransform):
    """Bring everything of the moving scan onto the fixed one, where present.

    Args:
        keys: ``moving_image``, ``moving_label``, ``moving_keypoints``: label maps by the nearest neighbor, points by
            inversion; ``displacement_field`` is the field, see `NativeFieldd`.
        unaligned: bring scans and label maps over as their headers have it, too, without any registration.

    Adds ``warped_image``, ``warped_label`` and ``warped_keypoints``; these are NaN where there is no single place, see
    `pull_points`. On request, ``unaligned_image`` and ``unaligned_label``.
    """

    def __init__(self, keys: KeysCollection, unaligned: bool = False) -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.unaligned = unaligned

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Warp."""
        done = dict(data)
        field = field_of(data["displacement_field"])
        scans = []
        for key in self.key_iterator(done):
            if str(key).endswith("keypoints"):
                done[str(key).replace("moving", "warped")] = _pull(data, key, field)
            else:
                scans.append(str(key))
        return done | self._warp(data, scans, field)

    def _warp(self, data: Mapping[Any, Any], keys: Sequence[str], field: Field) -> dict[str, MetaTensor]:
        """Where the fixed voxels lie in the moving scan is computed once: its label map has the same grid."""
        one_slice = data["displacement_field"].meta.get(ONE_SLICE, False)
        done: dict[str, MetaTensor] = {}
        for _, group in groupby(keys, lambda key: grid_of(data[key]).affine.tolist()):
            of_one_grid = list(group)
            modes = ["nearest" if key.endswith("label") else "bilinear" for key in of_one_grid]
            warped = warp_scans([data[key] for key in of_one_grid], modes, field, self.unaligned)
            for key, scans in zip(of_one_grid, warped, strict=True):
                for name, scan in zip(("warped", "unaligned"), scans, strict=False):
                    scan.meta[ONE_SLICE] = one_slice
                    done[key.replace("moving", name)] = scan
        return done


def _pull(data: Mapping[Any, Any], key: Hashable, field: Field) -> torch.Tensor:
    pulled = pull_points(torch.as_tensor(data[key]).double(), field)
    if text := points_without_partner(pulled, data.get(f"{key}_labels", ())):
        logger.warning("  %s: %s", data.get(f"{key}_file", key), text)
    return pulled.points
