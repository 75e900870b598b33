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
WARNING = "The scans agree voxel by voxel at their start: nothing is registered."


class KeepStartd(MapTransform):
    """Replace a displacement by none where the two scans agree on the working grid, to a thousandth of their range.

    Args:
        keys: the ddf, ``pred``: ``(d, *working)``, working voxels; ``image`` holds the scans, ``(2 * C, *working)``,
            fixed channels first.

    Where the start is kept, its record ``start`` says so, and so does the log.
    """

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Compare."""
        done = dict(data)
        fixed, moving = torch.as_tensor(data["image"]).as_subclass(Tensor).float().chunk(2)
        if bool((fixed - moving).abs().max() > TOLERANCE * (fixed.max() - fixed.min())):
            return done
        for key in self.key_iterator(done):
            done[key] = torch.zeros_like(torch.as_tensor(data[key]).as_subclass(Tensor).detach())
        record = json.loads(data.get("start") or "{}")
        done["start"] = json.dumps({**record, "warnings": [*record.get("warnings", []), WARNING]})
        logger.warning("%s%s", f"{data['pair']}: " if data.get("pair") else "", WARNING)
        return done
