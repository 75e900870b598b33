"""NRRD, MetaImage and all else ITK reads, after a look at the header: its readers fill up, crash or search long."""

import locale
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import itk
import numpy as np
from monai.data import ITKReader
from numpy.typing import NDArray

from .bounds import check_size
from .integrity import UnusableFileError, check_complete

NOT_WRAPPED = {"char": itk.SS, "long": itk.D, "long_long": itk.D, "unsigned_long": itk.ULL}  # what is read instead
STORED = {"char": "int8", "long": "int64", "long_long": "int64"}
LARGEST_EXACT = 2**53  # integer in double precision
MOST_COMPRESSED = 1100  # bytes from one, by deflate; TIFF, PNG and the like come to less


def read_with_itk(path: Path, color: bool = False) -> tuple[NDArray, NDArray]:
    """Read array, axes in the order of the voxels, and affine, RAS, of as many dimensions.

    Args:
        path: of a file.
        color: whether a voxel may have several numbers, as the last axis.

    Raises:
        UnusableFileError: if there are several numbers a voxel, or not as many bytes as the header promises.
        Exception: of many kinds, if it is no image.
    """
    header = open_header(path)
    if header.GetNumberOfComponents() > 1 and not color:
        raise UnusableFileError(
            f"{path} is expected to hold one number a voxel, got {header.GetNumberOfComponents()}, "
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
        ValueError: if ITK has no reader for it.
        RuntimeError: if the header is damaged.
    """
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
    found = {"NrrdImageIO": _nrrd_data, "MetaImageIO": _meta_data}.get(header.GetNameOfClass(), _unknown)(path)
    if found is None:
        if promised > MOST_COMPRESSED * path.stat().st_size:
            raise UnusableFileError(
                f"{path} is damaged: its header promises {promised} bytes, more than so small a file holds."
            )
        return
    voxels, start, compressed = found
    if start < 0:
        start = voxels.stat().st_size - promised
    if not voxels.is_file():
        raise FileNotFoundError(f"There is no file {voxels}, which {path} names.")
    check_complete(voxels, promised, start, compressed)


Data = tuple[Path, int, bool] | None  # file, start, compressed; none where that is not simple to say


def _nrrd_data(path: Path) -> Data:
    """The header ends with an empty line, or is a file of its own."""
    content = path.read_bytes()
    end = re.search(rb"\r?\n\r?\n", content)
    text = content[: end.start() if end else None].decode("latin-1")
    fields = {key.strip().lower(): value.strip() for key, value in re.findall(r"^([^#:\n]+):(?!=)(.*)$", text, re.M)}
    encoding = fields.get("encoding", "").lower()
    file, skipped = fields.get("data file", fields.get("datafile")), int(fields.get("byte skip", 0))
    if encoding not in ("raw", "gzip", "gz") or "line skip" in fields or (file and re.match(r"LIST|.*%", file)):
        return None
    if file:
        return path.parent / file, skipped, encoding != "raw"
    return path, -1 if skipped < 0 else (end.end() if end else 0) + skipped, encoding != "raw"


def _meta_data(path: Path) -> Data:
    """The header ends with the name of the file of the voxels."""
    content = path.read_bytes()
    end = re.search(rb"^ElementDataFile *= *(.*)\n?", content, re.M)
    if end is None:
        return None
    fields = dict(re.findall(r"^(\w+) *= *(.*?)\s*$", content[: end.start()].decode("latin-1"), re.M))
    name, skipped = end[1].decode("latin-1").strip(), int(fields.get("HeaderSize", 0))
    if fields.get("BinaryData", "True").lower() != "true" or re.match(r"LIST|.*%|.* ", name):
        return None
    compressed = fields.get("CompressedData", "False").lower() == "true"
    if name.upper() == "LOCAL":
        return path, end.end(), compressed
    return path.parent / name, skipped, compressed


def _unknown(path: Path) -> Data:
    return None
