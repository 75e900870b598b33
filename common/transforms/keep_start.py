"""Scans that agree are not registered: an identical pair gives the identity, whatever a network would answer."""

import json
import logging
from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import MapTransform
from torch import Tensor

logger = logging.getLogger("common")
TOLERANCE = 1e-3  # of the fixed scan's range: what rounding leaves between two files of one scan
GUIDING = ("features", "points")
WARNING = "The scans agree voxel by voxel at their start: nothing is registered."


class KeepStartd(MapTransform):
    """Replace a displacement by none where the two scans agree on the working grid, to a thousandth of their range.

    Args:
        keys: the ddf, ``pred``: ``(d, *working)``, working voxels; ``image`` holds the scans, ``(2 * C, *working)``,
            fixed channels first.

    Where something steers the registration, see `GuidePaird`, it must agree as well.

    Where the start is kept, its record ``start`` says so, and so does the log.
    """

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Compare."""
        done = dict(data)
        compared = [torch.as_tensor(data["image"]).as_subclass(Tensor).float().chunk(2)]
        compared += [(data[f"fixed_{key}"], data[f"moving_{key}"]) for key in GUIDING if f"fixed_{key}" in data]
        if any(_differ(torch.as_tensor(fixed), torch.as_tensor(moving)) for fixed, moving in compared):
            return done
        for key in self.key_iterator(done):
            done[key] = torch.zeros_like(torch.as_tensor(data[key]).detach())
        record = json.loads(data.get("start") or "{}")
        done["start"] = json.dumps({**record, "warnings": [*record.get("warnings", []), WARNING]})
        logger.warning("%s%s", f"{data['pair']}: " if data.get("pair") else "", WARNING)
        return done


def _differ(fixed: Tensor, moving: Tensor) -> bool:
    return bool((fixed - moving).abs().max() > TOLERANCE * (fixed.max() - fixed.min()))
