"""What is in the file of a scan: an array in the order x, y, z and its affine, from every format."""

import locale
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import itk
import nibabel as nib
import numpy as np
from monai.data import ITKReader
from numpy.typing import NDArray

NIFTI = (".nii", ".nii.gz")
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
END_OF_JPEG = b"\xff\xd9"
LUMINANCE = (0.2126, 0.7152, 0.0722)  # of red, green and blue: ITU-R BT.709
UNPLACED = np.diag([-1.0, -1.0, 1.0, 1.0])  # where ITK puts an image without a header, 1 mm a voxel, in RAS


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
        ValueError: if it is no image or damaged, a label map in colors, or a folder of several series.
    """
    name = path.name.lower()
    if path.is_dir():
        _check_series(path)
    try:
        if name.endswith(NIFTI):
            return *_read_nifti(path), True
        if name.endswith(".npy"):
            return np.load(path, allow_pickle=False), UNPLACED.copy(), False
        array, affine = _read_with_itk(path)
    except Exception as error:  # every reader raises its own kind of error
        raise ValueError(f"{path} cannot be read as an image: it is damaged, or in no format known here.") from error
    if not name.endswith(PICTURES):
        return array, _in_3d(affine), True
    if array.ndim == len(affine):  # one axis more than a place has
        array = _gray(array[..., :3], path, label)  # the fourth is transparency
    return array, UNPLACED.copy(), False


def _read_nifti(path: Path) -> tuple[NDArray, NDArray]:
    """Array and affine as nibabel has them: MONAI's reader prefers any qform to a sform that pixdim contradicts."""
    image: Any = nib.load(path)
    placed = image.header["sform_code"] > 0 or image.header["qform_code"] > 0
    return np.asanyarray(image.dataobj), image.affine if placed else np.zeros((4, 4))


def _check_series(folder: Path) -> None:
    """MONAI's reader takes the first series of a folder, whichever that is."""
    names = itk.GDCMSeriesFileNames.New()
    names.SetUseSeriesDetails(True)
    names.AddSeriesRestriction("0008|0021")  # the date, as MONAI has it
    with _locale_kept():
        names.SetDirectory(str(folder))
        series = [len(names.GetFileNames(uid)) for uid in names.GetSeriesUIDs()]
    if len(series) > 1:
        counts = " and ".join([", ".join(map(str, series[:-1])), str(series[-1])])
        raise ValueError(f"{folder} is expected to hold one DICOM series, got {len(series)}, of {counts} files.")


def _read_with_itk(path: Path) -> tuple[NDArray, NDArray]:
    if path.name.lower().endswith((".jpg", ".jpeg")) and END_OF_JPEG not in path.read_bytes():
        raise EOFError(path)  # ITK would fill up a truncated one
    reader = ITKReader()  # LoadImage would try every reader it knows, each with its own complaints
    with _locale_kept():
        array, meta = reader.get_data(reader.read(str(path)))
    return array, np.asarray(meta["affine"], dtype=np.float64)


@contextmanager
def _locale_kept() -> Iterator[None]:
    """ITK's DICOM reader leaves the process in the locale C, where all text is ASCII."""
    encoding = locale.setlocale(locale.LC_CTYPE)
    try:
        yield
    finally:
        locale.setlocale(locale.LC_CTYPE, encoding)


def _gray(array: NDArray, path: Path, label: bool) -> NDArray:
    """Luminance of a color picture ``(x, y, 3)``, in its type; a gray one that is stored in color stays exact."""
    if (array == array[..., :1]).all():
        return array[..., 0]
    if label:
        raise ValueError(f"{path} is expected to be a label map, got a color picture: save the labels as gray values.")
    gray = array @ np.array(LUMINANCE)
    return (np.rint(gray) if array.dtype.kind in "ui" else gray).astype(array.dtype)


def _in_3d(affine: NDArray) -> NDArray:
    """The affine of a 2-D image, 3 x 3, as nibabel has it: 4 x 4."""
    whole = np.eye(4)
    whole[: len(affine) - 1, : len(affine) - 1] = affine[:-1, :-1]
    whole[: len(affine) - 1, 3] = affine[:-1, -1]
    return whole
