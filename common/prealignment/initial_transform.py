"""Linear pre-alignment of two scans in the world: by their headers, centers, moments, or ITK's registration.

A transform is a matrix that takes fixed world points to moving world points (LPS, mm), as ITK defines it. The
registration is ITK's: Mattes mutual information, regular-step gradient descent, three resolutions.
"""

from pathlib import Path

import itk
import numpy as np
import torch

from common.spatial import Grid, center_of, place_centered, ras_to_lps, resample

from .linear_registration import Coarse, matrix_of, register_linearly
from .translation_search import search_translation

KINDS = ("none", "center", "moments", "rigid", "affine")
COARSE_VOXELS = 64**3  # voxels of the grids the linear registration looks at


def initial_transform(
    fixed: torch.Tensor,
    fixed_affine: torch.Tensor,
    moving: torch.Tensor,
    moving_affine: torch.Tensor,
    kind: str = "affine",
    fixed_mask: torch.Tensor | None = None,
    moving_mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Find the linear transform that takes fixed world points to moving world points.

    Args:
        fixed: scan, ``(1, C, *spatial)`` with the intensities in the first channel.
        fixed_affine: its voxel-to-world matrix, RAS mm, ``(d + 1, d + 1)``.
        moving: the other scan, of any shape.
        moving_affine: its voxel-to-world matrix.
        kind: "none" trusts the headers; "center" brings the middles of the fields of view together, "moments" the
            centers of mass; "rigid" and "affine" let ITK register; anything else is the path of an ITK transform file.
        fixed_mask: where the fixed scan counts, same shape; outside is ignored by "rigid" and "affine".
        moving_mask: where the moving scan counts.

    Returns:
        Matrix in LPS, mm, ``(d + 1, d + 1)``, float64.

    Raises:
        ValueError: if the file holds no linear transform.
        FileNotFoundError: if ``kind`` is neither a kind nor a file.
    """
    dims = fixed.ndim - 2
    identity = torch.eye(dims + 1, dtype=torch.float64)
    if kind == "none":
        return identity
    if kind not in KINDS:
        return read_linear_transform(kind, dims)
    first = Grid(tuple(fixed.shape[2:]), ras_to_lps(fixed_affine))
    second = Grid(tuple(moving.shape[2:]), ras_to_lps(moving_affine))
    if kind == "center":
        return _translation(center_of(second) - center_of(first))
    if kind == "moments":
        return _translation(center_of_mass(moving[0, 0], second) - center_of_mass(fixed[0, 0], first))
    coarse_fixed, coarse_moving = _coarse(fixed, first, fixed_mask), _coarse(moving, second, moving_mask)
    masses = center_of_mass(moving[0, 0], second) - center_of_mass(fixed[0, 0], first)
    start = search_translation(coarse_fixed, coarse_moving, [torch.zeros(dims).double(), masses])
    return register_linearly(coarse_fixed, coarse_moving, center_of(first).tolist(), start, kind)


def center_of_mass(image: torch.Tensor, grid: Grid) -> torch.Tensor:
    """World position of the mass brighter than the mean of the scan, mm, ``(d,)``."""
    mass = (image.double() - image.double().mean()).clamp(min=0)
    index = [
        (mass.sum(dim=[a for a in range(mass.ndim) if a != axis]) * torch.arange(size)).sum() / mass.sum()
        for axis, size in enumerate(mass.shape)
    ]
    return grid.affine[:-1, :-1] @ torch.stack(index) + grid.affine[:-1, -1]


def read_linear_transform(path: str, dims: int) -> torch.Tensor:
    """Read a linear ITK transform (.tfm, .txt, .h5, .mat), several of them composed in ITK's order.

    Args:
        path: the file.
        dims: number of spatial dimensions the transform must have.

    Returns:
        Matrix from fixed to moving world points, LPS mm, ``(dims + 1, dims + 1)``, float64.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a transform file, or a transform in it is not linear or of other dimension.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"initial_transform expects one of {', '.join(KINDS)} or an ITK file, got {path}.")
    try:
        transforms = itk.transformread(path)
    except RuntimeError as error:
        raise ValueError(f"initial_transform cannot read {path} as an ITK transform file.") from error
    matrix = torch.eye(dims + 1, dtype=torch.float64)
    for transform in transforms:
        if not transform.IsLinear() or transform.GetInputSpaceDimension() != dims:
            name = transform.GetTransformTypeAsString()
            raise ValueError(f"initial_transform expects linear transforms in {dims}-D, got {name} in {path}.")
        matrix = matrix @ matrix_of(transform, dims)  # ITK applies the last of a composite first
    return matrix


def _translation(offset: torch.Tensor) -> torch.Tensor:
    matrix = torch.eye(len(offset) + 1, dtype=torch.float64)
    matrix[:-1, -1] = offset
    return matrix


def _coarse(image: torch.Tensor, grid: Grid, mask: torch.Tensor | None) -> Coarse:
    """An isotropic copy of a scan (and its mask) along the world axes, of about COARSE_VOXELS voxels."""
    corners = torch.cartesian_prod(*[torch.tensor([-0.5, size - 0.5]) for size in grid.shape]).double()
    world = corners @ grid.affine[:-1, :-1].T
    extent = world.amax(0) - world.amin(0)
    spacing = max(float((extent.prod() / COARSE_VOXELS) ** (1 / len(extent))), float(grid.spacing.min()))
    shape = tuple(max(8, round(float(e) / spacing)) for e in extent)
    coarse = place_centered(shape, spacing * torch.eye(len(shape), dtype=torch.float64), center_of(grid))
    image = image[:, :1].float()
    counts = torch.ones_like(image) if mask is None else (mask[:, :1] > 0).float()
    values = resample(image, grid.affine, coarse)[0, 0]
    inside = resample(counts, grid.affine, coarse, fill=0.0)[0, 0] > 0.5
    low, high = np.percentile(values.numpy(), (0.5, 99.5))
    values = ((values - low) / max(high - low, 1e-6)).clamp(0, 1)
    return Coarse(values, inside, coarse.affine[:-1, -1].tolist(), spacing)
