"""What is in the file of a scan: an array in the order x, y, z and its affine, from every format."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import _pictures, nifti_header
from ._itk import read_with_itk
from .dicom import read_series
from .input_error import InputError
from .integrity import check_complete
from .nifti_header import read_nifti

UNPLACED = np.diag([-1.0, -1.0, 1.0, 1.0])  # where ITK puts an image without a header, 1 mm per voxel, in RAS


def read_array(path: Path, label: bool = False) -> tuple[NDArray, NDArray, bool]:
    """Read a file or a folder.

    Args:
        path: of something that is there.
        label: it is to be a label map.

    Returns:
        Array, axes in the order of the voxels, color as luminance; affine, voxel to world, RAS mm, ``(4, 4)``; and
        whether it has a place in the world. What has none (pictures, ``.npy``) has voxels of 1 mm: the dots per inch of
        a picture are those of a screen or printer.

    Raises:
        FileNotFoundError: if half of a pair of files is not there.
        InputError: if it is no image or damaged, a label map in colors, or a folder that is not one whole series.
    """
    try:
        return _read(path, label)
    except (FileNotFoundError, MemoryError, InputError):
        raise
    except Exception as error:  # every reader raises its own kind of error
        raise InputError(f"{path} cannot be read as an image: it is damaged, or in no format known here.") from error


def _read(path: Path, label: bool) -> tuple[NDArray, NDArray, bool]:
    name = path.name.lower()
    if path.is_dir():
        return *read_series(path), True
    if name.endswith(nifti_header.ENDINGS):
        return *read_nifti(path), True
    if name.endswith(".npy"):
        return _read_npy(path), UNPLACED.copy(), False
    if not name.endswith(_pictures.ENDINGS):
        array, affine = read_with_itk(path)
        return array, _in_3d(affine), True
    _pictures.check_picture(path)
    array, affine = read_with_itk(path, color=True)
    if array.ndim == len(affine):  # one axis more than a place has
        array = _pictures.to_gray(array[..., :3], path, label)  # the fourth is transparency
    _pictures.tell_pixel_size(path, np.linalg.norm(affine[:2, :2], axis=0).tolist())
    return array, UNPLACED.copy(), False


def _read_npy(path: Path) -> NDArray:
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    check_complete(path, mapped.nbytes, start=mapped.offset)
    return np.array(mapped)


def _in_3d(affine: NDArray) -> NDArray:
    """The affine of a 2-D image, 3 x 3, as nibabel has it: 4 x 4."""
    whole = np.eye(4)
    whole[: len(affine) - 1, : len(affine) - 1] = affine[:-1, :-1]
    whole[: len(affine) - 1, 3] = affine[:-1, -1]
    return whole
