"""The formats in which lung data sets are shared.

MONAI's readers want a header; raw volumes have none, and landmarks in voxels need that of their scan.
"""

import re
from collections.abc import Sequence
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.io import InputError, read_text

STORED_ABOVE_HU = 1024  # raw volumes hold HU plus this


def find_file(folder: Path, pattern: str) -> Path:
    """Find a file by its name, in whatever folder below.

    Args:
        folder: where to look.
        pattern: regular expression of the whole name; capitals and small letters are the same.

    Raises:
        FileNotFoundError: if there is none.
    """
    found = find_files(folder, pattern)
    if not found:
        raise FileNotFoundError(f"there is no file {pattern.replace(chr(92), '')} in {folder}")
    return found[0]


def find_files(folder: Path, pattern: str) -> list[Path]:
    """Find files by their names, see `find_file`, sorted."""
    name = re.compile(pattern, re.IGNORECASE)
    return sorted(path for path in folder.rglob("*") if name.fullmatch(path.name) and path.is_file())


def read_raw(path: Path, shape: Sequence[int]) -> NDArray:
    """Read a raw volume of DIR-Lab: 16-bit numbers, the first axis fastest.

    Args:
        path: file without a header.
        shape: voxels along left, back and foot.

    Returns:
        HU, int16, what is darker than air (the padding) as -1024.

    Raises:
        InputError: if the file has another size.
    """
    wanted = 2 * prod(shape)
    if path.stat().st_size != wanted:
        size = " x ".join(map(str, shape))
        raise InputError(
            f"{path} is expected to hold {size} voxels in {wanted} bytes, got {path.stat().st_size}: is it complete?"
        )
    stored = np.fromfile(path, dtype="<i2").reshape(shape, order="F")
    return np.maximum(stored, 0) - np.int16(STORED_ABOVE_HU)


def raw_affine(spacing: Sequence[float]) -> NDArray:
    """Place a raw volume of DIR-Lab: its axes run to the left, the back and the foot; RAS mm, ``(4, 4)``."""
    return np.diag([-spacing[0], -spacing[1], -spacing[2], 1.0])


def voxels_to_lps(voxels: NDArray, affine: NDArray) -> NDArray:
    """Voxel coordinates from 0 on, ``(N, 3)``, to LPS mm."""
    return (voxels @ affine[:3, :3].T + affine[:3, 3]) * np.array([-1.0, -1.0, 1.0])


def read_numbers(path: Path) -> NDArray:
    """Read points: one line each, three numbers, with spaces, tabs or commas between; other lines are left out.

    Returns:
        ``(N, 3)``, in whatever the file counts in.

    Raises:
        InputError: if there is no such line.
    """
    rows = []
    for line in read_text(path).splitlines():
        try:
            numbers = [float(cell) for cell in re.split(r"[\s,;]+", line.strip())]
        except ValueError:
            continue
        if len(numbers) == 3:
            rows.append(numbers)
    if not rows:
        raise InputError(f"{path} is expected to hold points of three numbers a line, got none.")
    return np.array(rows)
