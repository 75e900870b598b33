"""A registration that makes nothing more alike is no registration: the pair stays as its start has it."""

import json
import logging
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import MapTransform
from torch import Tensor

from common.metrics import normalized_mutual_information
from common.spatial import warp

logger = logging.getLogger("common")
WARNING = "The registration made the scans no more alike than its start: the start is kept."


class KeepStartd(MapTransform):
    """Replace a displacement by none where the warped scan is no more like the fixed one than it was before.

    The measure is the normalized mutual information of the first channels on the working grid, ``counts`` of it where
    there is that entry, see `WorkingGridd`. A scan that is registered to itself stays where it is.

    Args:
        keys: the ddf, ``pred``: ``(d, *working)``, working voxels; ``image`` holds the scans, ``(2 * C, *working)``,
            fixed channels first.

    Where the start is kept, its record ``start`` says so, and so does the log.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Compare."""
        done = dict(data)
        counts = data.get("counts")
        fixed, moving = (side[:1].float() for side in _plain(data["image"]).cpu().chunk(2))
        for key in self.key_iterator(done):
            ddf = _plain(data[key]).detach().cpu().float()
            warped = warp(moving[None], ddf[None], padding="border")[0]
            likeness = [normalized_mutual_information(fixed, image, mask=counts) for image in (moving, warped)]
            if likeness[1] > likeness[0] or not ddf.isfinite().all() or not ddf.any():
                continue
            done[key] = torch.zeros_like(ddf)
            record = json.loads(data.get("start") or "{}")
            done["start"] = json.dumps({**record, "warnings": [*record.get("warnings", []), WARNING]})
            logger.warning("%s%s", f"{data['pair']}: " if data.get("pair") else "", WARNING)
        return done


def _plain(value: Any) -> Tensor:
    return torch.as_tensor(value).as_subclass(Tensor)
