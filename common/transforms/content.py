"""A scan without what surrounds it: the part that a registration looks at."""

from typing import NamedTuple

import torch
from monai.data import MetaTensor

from common.io import grid_of
from common.spatial import Grid, content_box, level_padding, voxel_to_world


class Content(NamedTuple):
    """The part of a scan that holds what was scanned.

    Attributes:
        grid: where it lies, affine RAS.
        image: intensities, ``(1, 1, *grid.shape)``.
        mask: where they count, same shape; None for everywhere.
    """

    grid: Grid
    image: torch.Tensor
    mask: torch.Tensor | None

    def masked(self) -> torch.Tensor:
        """The intensities, those outside of the mask at their minimum."""
        return self.image if self.mask is None else torch.where(self.mask > 0, self.image, self.image.min())


def content_of(scan: MetaTensor, mask: MetaTensor | None = None, cut: bool = True) -> Content:
    """Cut a scan to what was scanned, see `common.spatial.content_box`, and level its padding.

    Args:
        scan: ``(1, *spatial)``, affine RAS.
        mask: of the same shape.
        cut: leave the planes of padding out; else the padding is leveled alone, see `common.spatial.level_padding`.
    """
    image = scan.as_tensor()[None]
    box = content_box(image) if cut else [slice(0, size) for size in image.shape[2:]]
    part = (slice(None), slice(None), *box)
    whole = grid_of(scan)
    affine = whole.affine.clone()
    affine[:-1, -1] = voxel_to_world(torch.tensor([each.start for each in box]).double(), whole.affine)
    values = level_padding(image[part])
    return Content(
        Grid(tuple(values.shape[2:]), affine), values, None if mask is None else mask.as_tensor()[None][part]
    )
