"""What the header of a NIfTI file says: the shape, and where the voxels lie in mm, by one rule for all its forms.

A header may hold two places. Where ITK and nibabel take the same one, so do we: the sform if it is alone or of the
scanner (code 1), the qform if it is alone. Where they do not (any other sform beside a qform), it is the qform, as in
ITK, ANTs and 3D Slicer, where our results are opened beside the scan; a warning says how far apart the two are. A
sheared sform of the scanner stays, though ITK takes the qform: that cannot hold a shear.
"""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import torch
from nibabel.arrayproxy import ArrayProxy
from nibabel.nifti1 import Nifti1Header, Nifti1PairHeader
from nibabel.nifti2 import Nifti2Header, Nifti2PairHeader
from numpy.typing import NDArray

from .bounds import check_size, spans_space
from .files import existing_file
from .grid import largest_distance
from .integrity import check_complete

ENDINGS = (".nii", ".nii.gz", ".hdr", ".img", ".hdr.gz", ".img.gz")
SCANNER = 1  # code of a place in the scanner
MILLIMETERS = {"meter": 1e3, "micron": 1e-3}  # a header without a unit means mm

logger = logging.getLogger("common")


class NiftiHeader(NamedTuple):
    """What comes in front of the voxels.

    Attributes:
        header: as nibabel has it, of version 1 or 2.
        voxels: the file that holds the voxels.
        shape: of the array.
        affine: voxel to world, RAS mm, ``(4, 4)``; zeros where the header holds none.
        other: the form that was not taken, where there are two.
    """

    header: Any
    voxels: Path
    shape: tuple[int, ...]
    affine: NDArray
    other: NDArray | None


def read_nifti_header(path: Path) -> NiftiHeader:
    """Read the header of a single file, or of a pair ``.hdr`` and ``.img`` by the name of either.

    Raises:
        FileNotFoundError: if half of a pair is not there.
        Exception: of many kinds, if it is no NIfTI header or none that can be read.
    """
    single = path.name.lower().removesuffix(".gz").endswith(".nii")
    files = {} if single else nib.Nifti1Pair.filespec_to_file_map(str(path))
    begin, voxels = (Path(str(files[name].filename)) if files else path for name in ("header", "image"))
    for each in (begin, voxels):
        existing_file(each, f", which belongs to {path}")
    with nib.openers.ImageOpener(str(begin)) as file:
        header = _parse(file.read(Nifti2Header.template_dtype.itemsize), single)
    places = [_in_mm(header, place) for place in _places(header)]
    affine, other = places[0] if places else np.zeros((4, 4)), places[1] if len(places) > 1 else None
    return NiftiHeader(header, voxels, header.get_data_shape(), affine, other)


def read_nifti(path: Path) -> tuple[NDArray, NDArray]:
    """Read array and affine of a file that holds all its bytes; warn where its header holds two places.

    Raises:
        InputError: if bytes or the checksum are missing, or there are too many; see `check_size`.
        Exception: see `read_nifti_header`.
    """
    header, voxels, shape, affine, other = read_nifti_header(path)
    check_size(path, shape)
    start, item = header.get_data_offset(), header.get_data_dtype().itemsize
    check_complete(voxels, start + item * int(np.prod(shape, dtype=object)))
    if other is not None:
        warn_of_two_places(path, shape, affine, other)
    return np.asanyarray(ArrayProxy(str(voxels), header)), affine


def _parse(content: bytes, single: bool) -> Any:
    for kind in (Nifti1Header, Nifti2Header) if single else (Nifti1PairHeader, Nifti2PairHeader):
        if kind.may_contain_header(content):
            return kind(content[: kind.template_dtype.itemsize])
    if nib.AnalyzeHeader.may_contain_header(content):  # what was there before NIfTI, without an affine
        header = Nifti1PairHeader.from_header(nib.AnalyzeHeader(content[:348]), check=False)
        header["sform_code"] = header["qform_code"] = 0
        return header
    raise ValueError("This is no NIfTI header.")


def _places(header: Any) -> list[NDArray]:
    """The forms that can be used, the one to take first."""
    sform, code = header.get_sform(coded=True)
    if sform is not None and not spans_space(sform[:3, :3]):
        sform = None
    qform = _qform(header)
    places = [sform, qform] if code == SCANNER else [qform, sform]
    return [place for place in places if place is not None]


def _qform(header: Any) -> NDArray | None:
    """Single precision makes quaternions of half a turn a little longer than 1, which nibabel refuses."""
    if header["qform_code"] <= 0:
        return None
    header = header.copy()
    names = ("quatern_b", "quatern_c", "quatern_d")
    length = np.linalg.norm([header[name] for name in names])
    if length > 1:
        for name in names:
            header[name] /= length
    qform: NDArray = header.get_qform()
    return qform if spans_space(qform[:3, :3]) else None


def _in_mm(header: Any, place: NDArray) -> NDArray:
    unit = header.get_xyzt_units()[0]
    return place * np.array([[MILLIMETERS.get(unit, 1.0)]] * 3 + [[1.0]])


def warn_of_two_places(path: Path, shape: tuple[int, ...], affine: NDArray, other: NDArray) -> None:
    """Log by how much the two forms of a header differ, if it is more than half a voxel."""
    space = (*shape, 1, 1, 1)[:3]
    apart = largest_distance(space, torch.from_numpy(affine), torch.from_numpy(other))
    if apart > np.linalg.norm(affine[:3, :3], axis=0).min() / 2:
        logger.warning(
            "The header of %s puts its voxels at two places, up to %.3g mm apart: its qform and its sform differ. "
            "It is read as ITK, ANTs and 3D Slicer read it; nibabel and FSL may put it elsewhere.",
            path,
            apart,
        )
