"""Everything of the moving scan, brought onto the fixed one."""

import logging
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform

from common.io import ONE_SLICE

from .warp import field_of, pull_points, warp_scan
from .without_partner import points_without_partner

logger = logging.getLogger("common")


class WarpToFixedd(MapTransform):
    """Bring everything of the moving scan onto the fixed one, where present.

    Args:
        keys: ``moving_image``, ``moving_label``, ``moving_keypoints``: label maps by the nearest neighbor, points by
            inversion.
        ddf_key: displacement on the fixed grid, ``(d, *fixed)``, voxels.

    Adds ``warped_image``, ``warped_label`` and ``warped_keypoints``; these are NaN where there is no single place, see
    `pull_points`.
    """

    def __init__(self, keys: KeysCollection, ddf_key: str = "pred") -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.ddf_key = ddf_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Warp."""
        done = dict(data)
        pred = data[self.ddf_key]
        field = field_of(pred)
        for key in self.key_iterator(done):
            name = str(key).replace("moving", "warped")
            if name.endswith("keypoints"):
                pulled = pull_points(torch.as_tensor(data[key]).double(), field)
                done[name] = pulled.points
                if text := points_without_partner(pulled, data.get(f"{key}_labels", ())):
                    logger.warning("  %s: %s", data.get(f"{key}_file", key), text)
            else:
                done[name] = warp_scan(data[key], field, "nearest" if name.endswith("label") else "bilinear")
                done[name].meta[ONE_SLICE] = pred.meta.get(ONE_SLICE, False)
        return done
