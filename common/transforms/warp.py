"""Scans, label maps and points through a displacement field of the world, each interpolated once from its own grid."""

from collections.abc import Sequence
from typing import Any, NamedTuple

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
    ((warped,),) = warp_scans([image], [mode], field)
    return warped


def warp_scans(
    images: Sequence[MetaTensor], modes: Sequence[str], field: Field, unaligned: bool = False
) -> list[list[MetaTensor]]:
    """Bring a moving scan and what lies on its grid onto the fixed one, slab by slab: large scans take no more memory.

    Args:
        images: see `warp_scan`; of one grid.
        modes: see there, one for each.
        field: see there.
        unaligned: bring them over as the headers have it, too.

    Returns:
        For each image what `warp_scan` gives, and the unaligned one, if it is wanted.
    """
    moving, shape = grid_of(images[0]).affine, field.grid.shape
    values = [image.as_tensor()[None] for image in images]
    fills = [0.0 if mode == "nearest" else float(each.min()) for each, mode in zip(values, modes, strict=True)]
    warped = [[torch.empty(1, *shape, dtype=each.dtype) for _ in range(1 + unaligned)] for each in values]
    for planes, slab in field.grid.slabs():
        start = slab.map_to(moving)
        moved = start + displacement_from_world(field.displacement[:, :, planes], moving)
        for each, mode, fill, results in zip(values, modes, fills, warped, strict=True):
            for result, places in zip(results, (moved.nan_to_num(nan=FAR), start), strict=False):
                result[:, planes] = sample(each, places, mode=mode, padding="inside", fill=fill)[0]
    return [
        [MetaTensor(result, affine=field.affine_3d, meta=_meta(image)) for result in results]
        for image, results in zip(images, warped, strict=True)
    ]


def _meta(image: MetaTensor) -> dict[str, Any]:
    return {key: value for key, value in image.meta.items() if key != "affine"}


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
