"""Scans, label maps and points through a displacement field of the world, each interpolated once from its own grid."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from common.io import Field, grid_of
from common.spatial import (
    Grid,
    displacement_from_world,
    displacement_to_world,
    identity_grid,
    ras_to_lps,
    sample,
    voxel_to_world,
    world_to_voxel,
)

POINT_ITERATIONS = 50
POINT_TOLERANCE_MM = 1e-2


def warp_scan(image: MetaTensor, field: Field, mode: str = "bilinear") -> MetaTensor:
    """Bring a moving scan onto the fixed grid.

    .. math:: warped(p) = moving(p + u(p))

    Args:
        image: moving scan or label map on its own grid, ``(1, *moving)``; affine RAS.
        field: displacement u on the fixed grid, LPS mm.
        mode: "bilinear" or "nearest".

    Returns:
        ``(1, *fixed)`` with the fixed affine and the meta data of ``image``. Outside the moving scan it holds the
        scan's minimum, with "nearest" 0.
    """
    values = image.as_tensor()
    fill = 0.0 if mode == "nearest" else float(values.min())
    moving = grid_of(image).affine
    coordinates = field.grid.map_to(moving) + displacement_from_world(field.displacement, moving)
    warped = sample(values[None], coordinates, mode=mode, padding="inside", fill=fill)[0]
    meta = {key: value for key, value in image.meta.items() if key != "affine"}
    return MetaTensor(warped, affine=field.grid.affine_3d(), meta=meta)


def move_points(points: torch.Tensor, field: Field) -> torch.Tensor:
    """Take fixed points to the moving scan, p + u(p).

    Args:
        points: ``(N, d)``, LPS mm.
        field: displacement u, LPS mm; continued with its border values outside its grid.

    Returns:
        ``(N, d)``, LPS mm, float64.
    """
    voxels = world_to_voxel(points.double(), ras_to_lps(field.grid.affine))
    displacement = sample(field.displacement, voxels.T[None])[0].T  # (N, d)
    return points.double() + displacement.double()


def pull_points(points: torch.Tensor, field: Field) -> torch.Tensor:
    """Bring moving points onto the fixed scan: solve p + u(p) = q for p.

    .. math:: p <- p + L^{-1} (q - p - u(p))

    L is the linear part of the way; with it the iteration converges where a plain fixed-point iteration would not.

    Args:
        points: q, ``(N, d)``, LPS mm.
        field: displacement u, LPS mm.

    Returns:
        p, ``(N, d)``, LPS mm, float64.
    """
    linear, offset = _linear_part(field)
    inverse = torch.linalg.inv(linear)
    found = (points.double() - offset) @ inverse.T
    for _ in range(POINT_ITERATIONS):
        step = (points - move_points(found, field)) @ inverse.T
        found = found + step
        if float(step.norm(dim=1).max()) < POINT_TOLERANCE_MM:
            break
    return found


def invert_field(field: Field, grid: Grid) -> Field:
    """Invert a field of the world onto another grid, usually that of the moving scan.

    Args:
        field: displacement on the fixed grid, LPS mm.
        grid: where the inverse is wanted, affine RAS.

    Returns:
        Displacement on ``grid``, LPS mm: the moving point q corresponds to the fixed point q + displacement(q).
    """
    points = voxel_to_world(identity_grid(grid.shape, torch.float64).flatten(1).T, ras_to_lps(grid.affine))
    moved = pull_points(points, field) - points
    return Field(moved.T.float().reshape(1, -1, *grid.shape), grid)


def _linear_part(field: Field) -> tuple[torch.Tensor, torch.Tensor]:
    """Least-squares affine of p -> p + u(p) over a sparse set of voxels: matrix and offset, LPS mm."""
    steps = [torch.linspace(0, size - 1, min(size, 12)).round().long() for size in field.grid.shape]
    index = torch.cartesian_prod(*steps)
    fixed = voxel_to_world(index.double(), ras_to_lps(field.grid.affine))
    moving = fixed + field.displacement[0][(slice(None), *index.T)].T.double()
    design = torch.cat([fixed, torch.ones(len(fixed), 1, dtype=torch.float64)], dim=1)
    solution = torch.linalg.lstsq(design, moving).solution  # (d + 1, d)
    return solution[:-1].T, solution[-1]


def field_of(pred: MetaTensor) -> Field:
    """The field in the world of a ddf in voxels of its grid, ``(d, *spatial)``."""
    grid = grid_of(pred)
    return Field(displacement_to_world(pred.as_tensor()[None].float(), grid.affine), grid)


class WarpToFixedd(MapTransform):
    """Bring everything of the moving scan onto the fixed one, where present.

    Args:
        keys: ``moving_image``, ``moving_label``, ``moving_keypoints``: label maps by the nearest neighbor, points by
            inversion.
        ddf_key: displacement on the fixed grid, ``(d, *fixed)``, voxels.

    Adds ``warped_image``, ``warped_label`` and ``warped_keypoints``.
    """

    def __init__(self, keys: KeysCollection, ddf_key: str = "pred") -> None:
        super().__init__(keys, allow_missing_keys=True)
        self.ddf_key = ddf_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Warp."""
        done = dict(data)
        field, place = field_of(data[self.ddf_key]), data[self.ddf_key].affine
        for key in self.key_iterator(done):
            name = str(key).replace("moving", "warped")
            if name.endswith("keypoints"):
                done[name] = pull_points(torch.as_tensor(data[key]).double(), field)
            else:
                done[name] = warp_scan(data[key], field, "nearest" if name.endswith("label") else "bilinear")
                done[name].affine = place  # where a slice lies along the third axis is in no field
        return done
