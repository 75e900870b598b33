"""How a scan becomes the input of a network: one way in training, validation and inference.

MONAI's `Orientation`, `Spacing` and `ResizeWithPadOrCrop` interpolate without smoothing, pad with zeros of the raw
unit, and let what surrounds the patient into the normalization.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from inspect import signature
from typing import Any, cast

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import ensure_tuple
from torch import Tensor

from common.features import liver_box, lung_box
from common.io import InputError, grid_of
from common.spatial import Grid, box_grid, center_of, place_centered, resample, sample

from .content import Content, content_of
from .working_grid import check_orientation, resize_grid, slices_last, stretch_grid, working_grid

ORGANS = ("lungs", "liver")
REGIONS = ("whole", "foreground", "mask", *ORGANS)
AROUND = 0.25  # of the size of a mask, on each side of it
MAXIMUM_VOXELS = 2**21
Normalization = Callable[..., Any]  # a tensor, of transforms of MONAI perhaps an array


class CaseGrid:
    """The grid and the intensities a network is given.

    Args:
        spacing: mm; see `working_grid`.
        spatial_size: voxels of the grid around the middle of the region; None for the whole region.
        minimum_size: voxels of the grid that covers the whole region, at least: a network that normalizes over all
            voxels should see about as many as in training.
        region: what the grid covers: "whole", the field of view of the scan; "foreground", what was scanned in it, see
            `content_of`; "mask", the box of its mask and a quarter more on each side; "lungs" and "liver", see
            `lung_box` and `liver_box` of `common.features`, the latter of its mask where there is one.
        fill: value of the normalized image beyond what was scanned; None continues the border, so that the end of a
            scan is no edge to align.
        normalization: of an image, ``(1, *grid)``; may add channels. One that has an argument ``inside`` is told where
            it was scanned, bool of the same shape, as those of this room do; those of MONAI see the image alone.
        orientation: see `working_grid`; with "fixed" the slices of a stack run along the last axis.
        maximum_voxels: see `working_grid`.
        stretch: the voxels of `spatial_size` fill the region, so that their size differs from scan to scan and axis to
            axis.

    Raises:
        InputError: if there is no such region, or something to stretch without a size or with a spacing.
    """

    def __init__(
        self,
        spacing: Sequence[float] | float | None = None,
        spatial_size: Sequence[int] | None = None,
        minimum_size: Sequence[int] | None = None,
        region: str = "foreground",
        fill: float | None = None,
        normalization: Normalization | None = None,
        orientation: str = "RAS",
        maximum_voxels: int = MAXIMUM_VOXELS,
        stretch: bool = False,
    ) -> None:
        if region not in REGIONS:
            raise InputError(f"region is expected to be one of {', '.join(REGIONS)}, got {region}.")
        check_orientation(orientation)
        if stretch and (spacing is not None or spatial_size is None):
            raise InputError(f"stretch needs spatial_size and no spacing, got {spatial_size} and {spacing}.")
        self.spacing = spacing
        self.spatial_size = None if spatial_size is None else tuple(spatial_size)
        self.minimum_size = None if minimum_size is None else tuple(minimum_size)
        self.region = region
        self.fill = fill
        self.normalization = normalization
        self.orientation = orientation
        self.maximum_voxels = maximum_voxels
        self.stretch = stretch

    def over(self, content: Content) -> Grid:
        """Lay the grid over a scan.

        Raises:
            InputError: if the region is a mask, and the scan has none; and whatever `working_grid` raises.
        """
        covered = self._covered(content)
        if self.stretch and self.spatial_size is not None:
            return stretch_grid(covered, self.spatial_size, self.orientation)
        grid = working_grid(covered, self.spacing, self.maximum_voxels, self.orientation)
        grid = slices_last(grid, covered) if self.orientation == "fixed" else grid
        size = self.spatial_size
        if size is None and self.minimum_size is not None:
            size = tuple(map(max, grid.shape, self.minimum_size))
        if size is None:
            return grid
        if self.orientation == "fixed" and self.spacing is None:
            return resize_grid(grid, size)  # nothing is interpolated
        return place_centered(size, grid.affine[:-1, :-1], center_of(covered))

    def finds(self, content: Content) -> bool:
        """Whether an organ that is looked for is found in a scan, unless it fills that."""
        return self.region not in ORGANS or self._covered(content).shape != content.grid.shape

    def _covered(self, content: Content) -> Grid:
        if self.region == "mask":
            return _around_mask(content)
        if self.region in ORGANS:
            scan = MetaTensor(content.image[0], affine=content.grid.affine_3d())
            mask = None if content.mask is None else MetaTensor(content.mask[0])
            return box_grid(content.grid, lung_box(scan) if self.region == "lungs" else liver_box(scan, mask))
        return content.frame if self.region == "whole" else content.grid

    def finish(self, image: Tensor, inside: Tensor) -> Tensor:
        """Normalize an image, ``(1, *grid)``, and fill it where it was not scanned."""
        if self.normalization is not None:
            image = self.normalization(image, **self._told(inside)).as_subclass(Tensor)
        return image if self.fill is None else torch.where(inside, image, self.fill)

    def _told(self, inside: Tensor) -> dict[str, Tensor]:
        return {"inside": inside} if "inside" in signature(cast(Normalization, self.normalization)).parameters else {}


def scanned(content: Content, affine: Tensor, grid: Grid) -> Tensor:
    """Which voxels of a grid lie in what was scanned, ``(1, *grid)``, bool.

    Args:
        content: a scan.
        affine: where its voxels lie in the world of the grid.
        grid: looked at.
    """
    places = grid.map_to(affine)
    last = torch.tensor(content.grid.shape).view(1, -1, *[1] * len(grid.shape)) - 0.5
    return ((places >= -0.5 - 1e-3) & (places <= last + 1e-3)).all(dim=1)


def _around_mask(content: Content) -> Grid:
    if content.mask is None:
        raise InputError("The grid is to lie around the mask of the scan, which has none: give one, or another region.")
    box = []
    for axis, size in enumerate(content.grid.shape):
        places = (content.mask[0, 0] > 0).movedim(axis, 0).flatten(1).any(dim=1).nonzero()[:, 0]
        margin = round(AROUND * len(range(int(places[0]), int(places[-1]) + 1)))
        box.append(slice(max(int(places[0]) - margin, 0), min(int(places[-1]) + 1 + margin, size)))
    return box_grid(content.grid, box)


class CaseGridd(MapTransform):
    """Bring a single case onto its grid: a scan and what goes with it.

    Args:
        keys: the scan, ``(1, *spatial)``.
        grid: how.
        label_keys: its label maps, taken from the nearest voxel, 0 outside; absent ones are left out.
        mask_key: its mask, for a grid around it.
    """

    def __init__(
        self, keys: KeysCollection, grid: CaseGrid, label_keys: KeysCollection = (), mask_key: str = "mask"
    ) -> None:
        super().__init__(keys)
        self.grid = grid
        self.label_keys = ensure_tuple(label_keys)
        self.mask_key = mask_key

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Resample, normalize and fill."""
        done = dict(data)
        for key in self.keys:
            content = content_of(data[key], data.get(self.mask_key))
            grid, place = self.grid.over(content), content.grid.affine
            image = resample(content.image, place, grid)[0]
            done[key] = MetaTensor(self.grid.finish(image, scanned(content, place, grid)), affine=grid.affine_3d())
        for key in self.label_keys:
            if key in data:
                places = grid.map_to(grid_of(data[key]).affine)
                label = sample(data[key].as_tensor()[None], places, mode="nearest", padding="inside")[0]
                done[key] = MetaTensor(label, affine=grid.affine_3d())
        return done
