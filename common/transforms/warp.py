"""Scans, label maps and points through a displacement field of the world, each interpolated once from its own grid."""

from typing import NamedTuple

import torch
from monai.data import MetaTensor

from common.io import Field, grid_of
from common.spatial import (
    Grid,
    displacement_from_world,
    displacement_to_world,
    invert_points,
    ras_to_lps,
    sample,
    voxel_to_world,
    world_to_voxel,
)

FAR = -1e6  # voxels
TOLERANCE = 1e-3  # voxels; what has no inverse is farther off


def warp_scan(image: MetaTensor, field: Field, mode: str = "bilinear") -> MetaTensor:
    """Bring a moving scan onto the fixed grid.

    .. math:: warped(p) = moving(p + u(p))

    Args:
        image: moving scan or label map on its own grid, ``(1, *moving)``; affine RAS.
        field: displacement u on the fixed grid, LPS mm.
        mode: "bilinear" or "nearest".

    Returns:
        ``(1, *fixed)`` with the fixed affine and the meta data of ``image``. Outside the moving scan, and where the
        field is NaN, it holds the scan's minimum, with "nearest" 0.
    """
    moving = grid_of(image).affine
    positions = field.grid.map_to(moving) + displacement_from_world(field.displacement, moving)
    return sample_scan(image, positions, field.affine_3d, mode)


def sample_scan(image: MetaTensor, positions: torch.Tensor, affine: torch.Tensor, mode: str = "bilinear") -> MetaTensor:
    """Look a moving scan up where the voxels of the fixed one lie in it.

    Args:
        image: see `warp_scan`.
        positions: ``(1, d, *fixed)``, voxels of ``image``; NaN for nowhere.
        affine: of the fixed scan, RAS, ``(4, 4)``.
        mode: see `warp_scan`.

    Returns:
        See `warp_scan`.
    """
    values = image.as_tensor()
    fill = 0.0 if mode == "nearest" else float(values.min())
    warped = sample(values[None], positions.nan_to_num(nan=FAR), mode=mode, padding="inside", fill=fill)[0]
    meta = {key: value for key, value in image.meta.items() if key != "affine"}
    return MetaTensor(warped, affine=affine, meta=meta)


def move_points(points: torch.Tensor, field: Field) -> torch.Tensor:
    """Take fixed points to the moving scan, p + u(p).

    Args:
        points: ``(N, d)``, LPS mm; NaN where a point is undefined.
        field: displacement u, LPS mm.

    Returns:
        ``(N, d)``, LPS mm, float64; NaN for points beyond the field: more than half a voxel from its outermost voxel
        centers, as in ITK. Up to there it is continued with its border values.
    """
    voxels = world_to_voxel(points.double(), ras_to_lps(field.grid.affine))
    displacement = sample(field.displacement, voxels.T[None], padding="inside", fill=torch.nan)[0].T  # (N, d)
    return points.double() + displacement.double()


class PulledPoints(NamedTuple):
    """Where points of the moving scan lie in the fixed one.

    Attributes:
        points: ``(N, d)``, LPS mm, float64; NaN where there is no single place.
        outside: ``(N,)``, bool: it lies beyond the field, as for `move_points`.
        folded: ``(N,)``, bool: the field folds and brings several places to the point, or none was found.
    """

    points: torch.Tensor
    outside: torch.Tensor
    folded: torch.Tensor


def pull_points(points: torch.Tensor, field: Field) -> PulledPoints:
    """Bring moving points onto the fixed scan: solve p + u(p) = q for p, see `common.spatial.invert_points`.

    Args:
        points: q, ``(N, d)``, LPS mm; NaN where a point is undefined, which it stays.
        field: displacement u, LPS mm.
    """
    lps = ras_to_lps(field.grid.affine)
    known = points.isfinite().all(dim=1)
    found = _pull_voxels(world_to_voxel(points[known].double(), lps), field)
    pulled = PulledPoints(
        torch.full_like(points, torch.nan, dtype=torch.float64), torch.zeros_like(known), torch.zeros_like(known)
    )
    pulled.points[known] = voxel_to_world(found.points.double(), lps)
    pulled.outside[known], pulled.folded[known] = found.outside, found.folded
    return pulled


def invert_field(field: Field, grid: Grid, place: torch.Tensor | None = None) -> tuple[Field, PulledPoints]:
    """Invert a field of the world onto another grid, usually that of the moving scan.

    Args:
        field: displacement on the fixed grid, LPS mm.
        grid: where the inverse is wanted, affine RAS.
        place: see `common.io.Field`, of the grid.

    Returns:
        Displacement on ``grid``, LPS mm: the moving point q corresponds to the fixed point q + displacement(q), NaN
        where there is no such point; and, in fixed voxels, one point for each voxel of the grid.
    """
    targets = grid.map_to(field.grid.affine)[0].flatten(1).T  # (N, d)
    found = _pull_voxels(targets, field)
    moved = (found.points - targets).T.reshape(1, -1, *grid.shape)
    return Field(displacement_to_world(moved, field.grid.affine), grid, place), found


def _pull_voxels(targets: torch.Tensor, field: Field) -> PulledPoints:
    """Solve in the voxels of the fixed grid."""
    ddf = displacement_from_world(field.displacement, field.grid.affine)
    shift = ddf.double().flatten(2).mean(dim=2)[0]  # single precision would not do where scans lie far apart
    ddf = ddf - shift.view(-1, *[1] * len(field.grid.shape)).float()
    found = invert_points((targets.double() - shift.float()).float()[None], ddf, tolerance=TOLERANCE)
    folded = (found.several | (found.residual > TOLERANCE))[0]
    outside = ~found.inside[0] & ~folded
    return PulledPoints(found.points[0].masked_fill((outside | folded)[:, None], torch.nan), outside, folded)


def field_of(displacement: MetaTensor) -> Field:
    """The field of a pair, from its entry ``displacement_field``: ``(d, *fixed)``, LPS mm, with the fixed affine."""
    grid = grid_of(displacement)
    place = displacement.affine.double().cpu() if len(grid.shape) == 2 else None
    return Field(displacement.as_tensor()[None], grid, place)
