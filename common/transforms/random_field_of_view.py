"""Scans that end earlier than they do, so that a network does not learn the frame a data set was cropped with.

MONAI's `RandCoarseDropout` keeps boxes of a size that does not depend on the scan.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform
from torch import Tensor


class RandFieldOfViewd(RandomizableTransform, MapTransform):
    """Blank a random margin on each side of a scan, as a narrower field of view would.

    Args:
        keys: images, ``(C, *spatial)``, 0 where nothing was scanned, see `CaseGrid`; each has margins of its own.
        prob: of each image to be changed.
        margin: voxels of the widest margin, counted from the first and the last voxel along an axis that is not 0.
    """

    def __init__(self, keys: KeysCollection, prob: float = 0.5, margin: int = 3) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, 1.0)
        self.probability = prob
        self.margin = margin

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Blank; the input stays as it is."""
        done = dict(data)
        for key in self.keys:
            if self.R.random() < self.probability:
                done[key] = _blank(data[key], self.R.randint(0, self.margin + 1, (data[key].ndim - 1, 2)).tolist())
        return done


def _blank(image: Tensor, margins: list[list[int]]) -> Tensor:
    scanned = (image != 0).any(dim=0)
    kept = torch.zeros_like(scanned)
    box = []
    for axis, (below, above) in enumerate(margins):
        places = scanned.movedim(axis, 0).flatten(1).any(dim=1).nonzero()[:, 0].tolist() or [0]
        box.append(slice(places[0] + below, max(places[-1] + 1 - above, 0)))
    kept[tuple(box)] = True
    return image * kept
