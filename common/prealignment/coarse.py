"""Coarse copies of a scan on which a start is looked for."""

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from common.spatial import Grid, center_of, place_centered, resample

FEWEST_VOXELS = 8  # along an axis, for the descriptors to have neighbors


class Coarse(NamedTuple):
    """A scan on an isotropic grid along the world axes.

    Attributes:
        values: intensities 0 to 1, ``spatial``, float32.
        inside: where the scan counts, ``spatial``, bool.
        origin: world position of the first voxel, LPS mm.
        spacing: mm.
    """

    values: torch.Tensor
    inside: torch.Tensor
    origin: list[float]
    spacing: float

    @property
    def volume(self) -> float:
        """Of where it counts, mm to the power of the dimensions."""
        return float(self.inside.sum()) * self.spacing**self.values.ndim

    @property
    def grid(self) -> Grid:
        """Its grid, affine LPS."""
        affine = torch.eye(self.values.ndim + 1, dtype=torch.float64)
        affine[:-1, :-1] *= self.spacing
        affine[:-1, -1] = torch.tensor(self.origin, dtype=torch.float64)
        return Grid(tuple(self.values.shape), affine)


def coarse_copy(image: torch.Tensor, grid: Grid, mask: torch.Tensor | None, voxels: int) -> Coarse:
    """Resample a scan (and its mask) along the world axes.

    Args:
        image: ``(1, C, *spatial)`` with the intensities in the first channel.
        grid: its grid, affine LPS.
        mask: where it counts, same shape; everywhere without one.
        voxels: about as many as the copy shall have; it is never finer than the scan.
    """
    corners = torch.cartesian_prod(*[torch.tensor([-0.5, size - 0.5]) for size in grid.shape]).double()
    world = corners @ grid.affine[:-1, :-1].T
    extent = world.amax(0) - world.amin(0)
    spacing = max(float((extent.prod() / voxels) ** (1 / len(extent))), float(grid.spacing.min()))
    shape = tuple(max(FEWEST_VOXELS, round(float(e) / spacing)) for e in extent)
    coarse = place_centered(shape, spacing * torch.eye(len(shape), dtype=torch.float64), center_of(grid))
    image = image[:, :1].float()
    counts = torch.ones_like(image) if mask is None else (mask[:, :1] > 0).float()
    values = resample(image, grid.affine, coarse)[0, 0]
    inside = resample(counts, grid.affine, coarse, fill=0.0)[0, 0] > 0.5
    low, high = np.percentile(values.numpy(), (0.5, 99.5))
    values = ((values - low) / max(high - low, 1e-6)).clamp(0, 1)
    return Coarse(values, inside, coarse.affine[:-1, -1].tolist(), spacing)


def shrink(scan: Coarse, factor: int) -> Coarse:
    """Average blocks of voxels; what is left over at the end is cut off."""
    pool = F.avg_pool3d if scan.values.ndim == 3 else F.avg_pool2d
    values = pool(scan.values[None, None], factor)[0, 0]
    inside = pool(scan.inside[None, None].float(), factor)[0, 0] > 0.5
    origin = [corner + (factor - 1) / 2 * scan.spacing for corner in scan.origin]
    return Coarse(values, inside, origin, factor * scan.spacing)


def center_of_mass(image: torch.Tensor, grid: Grid) -> torch.Tensor:
    """World position of the mass brighter than the mean of the scan, mm, ``(d,)``."""
    mass = (image.double() - image.double().mean()).clamp(min=0)
    index = [
        (mass.sum(dim=[a for a in range(mass.ndim) if a != axis]) * torch.arange(size)).sum() / mass.sum()
        for axis, size in enumerate(mass.shape)
    ]
    return grid.affine[:-1, :-1] @ torch.stack(index) + grid.affine[:-1, -1]
