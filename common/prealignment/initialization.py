"""Linear pre-alignment of two scans in the world: by their headers, centers, moments, or what they show.

A transform is a matrix that takes fixed world points to moving world points (LPS, mm), as ITK defines it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from common.io import InputError
from common.spatial import Grid, center_of, ras_to_lps

from ._itk_transforms import as_transform, read_transforms
from .coarse import center_of_mass, coarse_copy
from .start import Start, choose_start
from .translation_search import search_translation, translation

KINDS = ("none", "center", "moments", "rigid", "affine")
COARSE_VOXELS = {2: 64**2, 3: 40**3}  # of the grids the start is looked for on


def initial_transform(
    fixed: torch.Tensor,
    fixed_affine: torch.Tensor,
    moving: torch.Tensor,
    moving_affine: torch.Tensor,
    kind: str = "affine",
    fixed_mask: torch.Tensor | None = None,
    moving_mask: torch.Tensor | None = None,
) -> Start:
    """Find the linear transform that takes fixed world points to moving world points.

    Args:
        fixed: scan, ``(1, C, *spatial)`` with the intensities in the first channel.
        fixed_affine: its voxel-to-world matrix, RAS mm, ``(d + 1, d + 1)``.
        moving: the other scan, of any shape.
        moving_affine: its voxel-to-world matrix.
        kind: "none" trusts the headers; "center" brings the middles of the fields of view together, "moments" the
            centers of mass; "rigid" and "affine" take the likeliest of these, of a search and of transforms refined
            from them, see `choose_start`; anything else is the path of an ITK transform file.
        fixed_mask: where the fixed scan counts, same shape; outside is ignored by "rigid" and "affine".
        moving_mask: where the moving scan counts.

    Returns:
        The matrix in LPS, mm, and a record of why it was taken.

    Raises:
        InputError: if the file holds no linear transform.
        FileNotFoundError: if ``kind`` is neither a kind nor a file.
    """
    dims = fixed.ndim - 2
    if kind not in KINDS:
        return Start(read_linear_transform(kind, dims), {"taken": Path(kind).name})
    identity = torch.eye(dims + 1, dtype=torch.float64)
    first = Grid(tuple(fixed.shape[2:]), ras_to_lps(fixed_affine))
    second = Grid(tuple(moving.shape[2:]), ras_to_lps(moving_affine))
    if kind == "none":
        return Start(identity, {"taken": "headers"})
    center = translation(center_of(second) - center_of(first))
    if kind == "center":
        return Start(center, {"taken": kind})
    sides = [(fixed, first), (moving, second)]
    if kind == "moments":
        return Start(_between_masses(*[(image[0, 0], grid) for image, grid in sides]), {"taken": kind})
    coarse = [coarse_copy(image, grid, None, COARSE_VOXELS[dims]) for image, grid in sides]
    moments = _between_masses(*[(scan.values, scan.grid) for scan in coarse])
    offsets, shifts = {"headers": identity, "center": center, "moments": moments}, [identity[:-1, -1], moments[:-1, -1]]
    offsets["search"] = translation(search_translation(coarse[0], coarse[1], shifts))
    if fixed_mask is not None or moving_mask is not None:
        masks = (fixed_mask, moving_mask)
        coarse = [coarse_copy(*side, mask, COARSE_VOXELS[dims]) for side, mask in zip(sides, masks, strict=True)]
        offsets["search in the masks"] = translation(search_translation(coarse[0], coarse[1], shifts))
    return choose_start(coarse[0], coarse[1], offsets, kind)


def _between_masses(fixed: tuple[torch.Tensor, Grid], moving: tuple[torch.Tensor, Grid]) -> torch.Tensor:
    return translation(center_of_mass(*moving) - center_of_mass(*fixed))


def read_linear_transform(path: str, dims: int) -> torch.Tensor:
    """Read a linear ITK transform (.tfm, .txt, .h5, .mat), several of them composed in ITK's order.

    Args:
        path: the file.
        dims: number of spatial dimensions the transform must have.

    Returns:
        Matrix from fixed to moving world points, LPS mm, ``(dims + 1, dims + 1)``, float64.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is not a transform file, or a transform in it is not linear or of other dimension.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"initial_transform expects one of {', '.join(KINDS)} or an ITK file, got {path}.")
    try:
        transforms = read_transforms(path)
    except RuntimeError as error:
        raise InputError(f"initial_transform cannot read {path} as an ITK transform file.") from error
    matrix = torch.eye(dims + 1, dtype=torch.float64)
    for transform in transforms:
        if transform.GetInputSpaceDimension() != dims or not as_transform(transform, dims).IsLinear():
            name = transform.GetTransformTypeAsString()
            raise InputError(f"initial_transform expects linear transforms in {dims}-D, got {name} in {path}.")
        matrix = matrix @ matrix_of(as_transform(transform, dims), dims)  # ITK applies the last of a composite first
    return matrix


def matrix_of(transform: Any, dims: int) -> torch.Tensor:
    """The matrix of a linear ITK transform, from where it takes the origin and the unit vectors."""
    corners = np.vstack([np.zeros(dims), np.eye(dims)])
    images = np.array([[transform.TransformPoint(p.tolist())[axis] for axis in range(dims)] for p in corners])
    matrix = np.eye(dims + 1)
    matrix[:-1, :-1] = (images[1:] - images[0]).T
    matrix[:-1, -1] = images[0]
    return torch.from_numpy(matrix)
