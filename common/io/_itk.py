"""NRRD, MetaImage and all else ITK reads, after a look at the header: its readers fill up, crash or search long."""

import locale
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import itk
import numpy as np
from monai.data import ITKReader
from numpy.typing import NDArray

from ._itk_headers import Voxels, check_meta_image, gipl_voxels, meta_image_voxels, nrrd_voxels, vtk_voxels
from .bounds import check_size
from .files import existing_file
from .input_error import InputError
from .integrity import check_complete

NOT_WRAPPED = {"char": itk.SS, "long": itk.D, "long_long": itk.D, "unsigned_long": itk.ULL}  # what is read instead
STORED = {"char": "int8", "long": "int64", "long_long": "int64"}
FIND_VOXELS = {
    "NrrdImageIO": nrrd_voxels,
    "MetaImageIO": meta_image_voxels,
    "GiplImageIO": gipl_voxels,
    "VTKImageIO": vtk_voxels,
}
LARGEST_EXACT = 2**53  # integer in double precision
MAXIMUM_COMPRESSION = 1100  # bytes from one, by deflate
COMPRESSING = ("TIFF", "JPEG", "PNG", "GDCM", "MINC", "HDF5")  # the readers of formats that may be compressed


def read_with_itk(path: Path, color: bool = False) -> tuple[NDArray, NDArray]:
    """Read array, axes in the order of the voxels, and affine, RAS, of as many dimensions.

    Args:
        path: of a file.
        color: whether a voxel may have several numbers, as the last axis.

    Raises:
        InputError: if there are several numbers per voxel, or not as many bytes as the header promises.
        Exception: of many kinds, if it is no image.
    """
    header = open_header(path)
    if header.GetNumberOfComponents() > 1 and not color:
        raise InputError(
            f"{path} is expected to hold one number per voxel, got {header.GetNumberOfComponents()}, "
            "components of a vector, colors or layers of a segmentation: save one of them, or one label map, alone."
        )
    check_size(path, [header.GetDimensions(axis) for axis in range(header.GetNumberOfDimensions())])
    _check_bytes(path, header)
    component = header.GetComponentTypeAsString(header.GetComponentType())
    reader = ITKReader(pixel_type=NOT_WRAPPED[component]) if component in NOT_WRAPPED else ITKReader()
    with locale_kept():
        array, meta = reader.get_data(reader.read(str(path)))
    if component in STORED and np.abs(array).max() <= LARGEST_EXACT:
        array = array.astype(STORED[component])
    return array, np.asarray(meta["affine"], dtype=np.float64)


def open_header(path: Path) -> Any:
    """ITK's reader of a file, its header read.

    Raises:
        FileNotFoundError: if the header of an NRRD names a file that is not there.
        ValueError: if ITK has no reader for it.
        RuntimeError: if the header is damaged.
    """
    if path.name.lower().endswith((".mha", ".mhd")):
        check_meta_image(path)
    if path.name.lower().endswith((".nrrd", ".nhdr")):
        _check_named(path, nrrd_voxels(path))
    with locale_kept():
        header = itk.ImageIOFactory.CreateImageIO(str(path), itk.CommonEnums.IOFileMode_ReadMode)
        if header is None:
            raise ValueError(f"ITK has no reader for {path}.")
        header.SetFileName(str(path))
        header.ReadImageInformation()
    return header


@contextmanager
def locale_kept() -> Iterator[None]:
    """ITK's DICOM reader leaves the process in the locale C, where all text is ASCII."""
    encoding = locale.setlocale(locale.LC_CTYPE)
    try:
        yield
    finally:
        locale.setlocale(locale.LC_CTYPE, encoding)


def _check_bytes(path: Path, header: Any) -> None:
    promised = header.GetImageSizeInBytes()
    find = FIND_VOXELS.get(header.GetNameOfClass())
    found = find(path) if find else None
    if found is None:
        compresses = header.GetNameOfClass().startswith(COMPRESSING) or path.name.lower().endswith(".gz")
        text = header.GetFileType() == itk.CommonEnums.IOFile_ASCII
        if promised > path.stat().st_size * (MAXIMUM_COMPRESSION if compresses or text else 1):
            raise InputError(
                f"{path} is damaged: its header promises {promised} bytes, more than so small a file holds."
            )
        return
    check_voxels(path, found, promised)


def check_voxels(path: Path, found: tuple[Path, int, bool], promised: int, kind: str = "an image") -> None:
    """Compare the voxels that a text header tells of (see `FIND_VOXELS`) with the bytes that it promises.

    Raises:
        FileNotFoundError: if their file is not there.
        InputError: see `check_complete`.
    """
    _check_named(path, found)
    voxels, start, compressed = found
    if start < 0:
        start = voxels.stat().st_size - promised
    check_complete(voxels, promised, start, compressed, kind)


def _check_named(path: Path, found: Voxels) -> None:
    if found:
        existing_file(found[0], f", which {path} names")
