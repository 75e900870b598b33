"""Whether a scan is an image or a volume, found out from its file without reading its voxels."""

from pathlib import Path

import numpy as np

from ._itk import open_header
from .nifti_header import ENDINGS, read_nifti_header


def find_spatial_dims(path: str | Path, phase: int | None = None) -> int:
    """Find the number of spatial dimensions of a scan, 2 or 3.

    An image with a place of its own in the world, such as one oblique slice, is a volume of one slice: in two
    dimensions its place would be lost.

    Args:
        path: what `read_scan` reads.
        phase: the time that will be taken of it: its last axis is then time.

    Returns:
        2 or 3; 3 where the file cannot be read, for the reader to say why.
    """
    if Path(path).is_dir():  # of DICOM slices
        return 3
    try:
        shape, in_plane = _shape(Path(path))
    except Exception:  # every reader raises its own kind of error, and will once more when the scan is read
        return 3
    if phase is not None and len(shape) > 2:
        shape = shape[:-1]
    while len(shape) > 2 and shape[-1] == 1 and (in_plane or len(shape) > 3):
        shape = shape[:-1]
    return 2 if len(shape) == 2 else 3


def has_one_slice(path: str | Path) -> bool:
    """Whether the file of a scan has a third axis, and one slice along it."""
    if Path(path).is_dir():
        return False
    try:
        shape, _ = _shape(Path(path))
    except Exception:  # for the reader to say
        return False
    return len(shape) > 2 and shape[2] == 1


def _shape(path: Path) -> tuple[tuple[int, ...], bool]:
    """Shape, and whether its first two axes are those of the world."""
    name = path.name.lower()
    if name.endswith(".npy"):
        return np.load(path, mmap_mode="r", allow_pickle=False).shape, True
    if name.endswith(ENDINGS):
        header = read_nifti_header(path)
        axes = header.affine[:3, :3]
        return header.shape, np.allclose(axes[2, :2], 0, atol=1e-3) and np.allclose(axes[:2, 2], 0, atol=1e-3)
    reader = open_header(path)
    return tuple(reader.GetDimensions(n) for n in range(reader.GetNumberOfDimensions())), False
