"""A scan without what surrounds it: the part that a registration looks at."""

from typing import NamedTuple

import torch
from monai.data import MetaTensor

from common.io import grid_of
from common.spatial import Grid, box_grid, content_box, level_padding


class Content(NamedTuple):
    """The part of a scan that holds what was scanned.

    Attributes:
        grid: where it lies, affine RAS.
        image: intensities, ``(1, 1, *grid.shape)``.
        mask: where they count, same shape; None for everywhere.
        frame: grid of the whole scan, with all that surrounds the part.
    """

    grid: Grid
    image: torch.Tensor
    mask: torch.Tensor | None
    frame: Grid

    def masked(self) -> torch.Tensor:
        """The intensities, those outside of the mask at their minimum."""
        return self.image if self.mask is None else torch.where(self.mask > 0, self.image, self.image.min())


def content_of(scan: MetaTensor, mask: MetaTensor | None = None) -> Content:
    """Cut a scan to what was scanned, see `common.spatial.content_box`, and level its padding.

    Args:
        scan: ``(1, *spatial)``, affine RAS.
        mask: of the same shape.
    """
    image = scan.as_tensor()[None]
    box = content_box(image)
    part = (slice(None), slice(None), *box)
    frame = grid_of(scan)
    inner = None if mask is None else mask.as_tensor()[None][part]
    return Content(box_grid(frame, box), level_padding(image[part]), inner, frame)
