"""What a scan can be: bounds that every scanner and microscope keeps, and a damaged or mistaken header does not."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .input_error import InputError

SPACING_MM = (1e-5, 1e3)  # from a hundredth of a micron, finer than light resolves, to a meter
ANISOTROPY = 1e3  # the longest side of a voxel by the shortest; of light sheets it is 200
EXTENT_MM = 1e4  # five bodies in a row
DISTANCE_MM = 1e5  # of the middle from the origin: single precision, as headers have it, is a hundredth of a mm there
VOXELS = 2**31  # eight GiB in single precision; the largest whole-body scans have half a billion
INTENSITY = 1e15  # squares of it, summed over a scan, stay within single precision


def spans_space(axes: NDArray) -> bool:
    """Whether the axes of an affine, as columns, are finite and lie neither in one plane nor on one line."""
    lengths = np.linalg.norm(axes, axis=0)
    return bool(np.isfinite(axes).all() and lengths.all() and abs(np.linalg.det(axes / lengths)) >= 1e-6)


def check_size(path: Path, shape: Sequence[int]) -> None:
    """Refuse a grid without voxels or with more than there can be.

    Raises:
        InputError: naming the shape and the bound.
    """
    if 0 in shape:
        raise InputError(f"{path} is empty: its shape is {tuple(shape)}.")
    if np.prod(shape, dtype=object) > VOXELS:
        raise InputError(f"{path} is expected to have {VOXELS} voxels at most, got the shape {tuple(shape)}.")


def check_place(path: Path, shape: Sequence[int], affine: NDArray) -> None:
    """Refuse a place in the world where no scan lies.

    Args:
        path: for the message.
        shape: of the grid, 2-D or 3-D.
        affine: voxel to world, mm, ``(4, 4)``.

    Raises:
        InputError: naming what is out of its bounds, and the bounds.
    """
    dims = len(shape)
    axes = affine[:dims, :dims]
    if not spans_space(axes) or not np.isfinite(affine).all():
        raise InputError(
            f"{path} has a singular or no affine: its header does not say where the voxels lie in the world."
        )
    spacing = np.linalg.norm(axes, axis=0)
    middle = affine[:dims, :dims] @ (np.array(shape) - 1) / 2 + affine[:dims, 3]
    extent, distance = (spacing * shape).max(), np.linalg.norm(middle)
    wrong = ""
    if spacing.min() < SPACING_MM[0] or spacing.max() > SPACING_MM[1]:
        wrong = f"voxels from {SPACING_MM[0]:g} to {SPACING_MM[1]:g} mm, got {_listed(spacing)} mm"
    elif spacing.max() > ANISOTROPY * spacing.min():
        wrong = f"voxels at most {ANISOTROPY:g} times as long as wide, got {_listed(spacing)} mm"
    elif extent > EXTENT_MM:
        wrong = f"an extent of {EXTENT_MM:g} mm at most, got {extent:.4g} mm"
    elif distance > DISTANCE_MM:
        wrong = f"its middle within {DISTANCE_MM:g} mm of the origin, got {distance:.4g} mm"
    if wrong:
        raise InputError(f"{path} is expected to have {wrong}: its header is damaged, or in another unit than mm.")


def _listed(lengths: NDArray) -> str:
    return " x ".join(f"{length:.4g}" for length in lengths)
