"""One volume of the DICOM files of a folder, placed by what each slice says of itself.

ITK's reader of series makes every volume rectangular and evenly spaced: it straightens a tilted gantry, closes gaps,
stacks scouts and several times, and leaves out files that are damaged. Here ITK reads the files and their tags, but the
slices are put in order, checked and placed by their own positions.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import itk
import numpy as np
from numpy.typing import NDArray

from ._itk import locale_kept, read_with_itk
from .input_error import InputError

ENDINGS = (".dcm", ".dicom", ".ima")  # other names can be anything
SERIES, POSITION, ORIENTATION = "0020|000e", "0020|0032", "0020|0037"
# a slice may lie this far from where even ones would: the share of their distance, or mm as some scanners round to, but
# never so much that a missing slice, or one that lies between two others, could hide in it
UNEVEN, UNEVEN_MM, MAXIMUM_UNEVEN = 0.01, 0.1, 0.25
ALIKE = 1e-3  # of a voxel to the next: half a voxel at the far end of 512
WITHOUT_IMAGE = (  # directories, and objects that belong to a series: states of display, reports, structures, plans
    "1.2.840.10008.1.3.10",
    *(f"1.2.840.10008.5.1.4.1.1.{kind}" for kind in ("11.", "66", "88.", "104.", "481.3", "481.5")),
)


class Slice(NamedTuple):
    """What one file says.

    Attributes:
        path: the file.
        series: its series.
        size: columns, rows, frames.
        position: of the first voxel, LPS mm, ``(3,)``; NaN where it does not say so.
        axes: from a voxel to the next along a row and along a column, LPS mm, ``(3, 2)``.
    """

    path: Path
    series: str
    size: tuple[int, ...]
    position: NDArray
    axes: NDArray


def read_series(folder: Path) -> tuple[NDArray, NDArray]:
    """Read the one series of a folder, or of its subfolders where it has no files itself.

    Returns:
        Array ``(x, y, z)``, slices in the order in which they lie along rows x columns; affine, voxel to world, RAS mm,
        ``(4, 4)``, sheared where the gantry was tilted.

    Raises:
        InputError: if there is no series or more than one, a file is damaged, or the slices are no volume: they
            differ in size or direction, share a position, or have gaps.
    """
    with locale_kept():
        slices = _slices(sorted(folder.iterdir())) or _slices(sorted(folder.rglob("*")))
    if not slices:
        raise InputError(f"{folder} cannot be read as an image: there is no DICOM image in it.")
    names = [each.series for each in slices]
    counts = [str(names.count(name)) for name in sorted(set(names), key=names.index)]
    if len(counts) > 1:
        listed = " and ".join([", ".join(counts[:-1]), counts[-1]])
        raise InputError(f"{folder} is expected to hold one DICOM series, got {len(counts)}, of {listed} files.")
    if len(slices) == 1:
        return read_with_itk(slices[0].path)
    _check_alike(folder, slices)
    slices = _in_order(folder, slices)
    array = np.concatenate([read_with_itk(each.path)[0] for each in slices], axis=2)  # each by its own slope
    affine = np.eye(4)
    affine[:3, :2], affine[:3, 3] = slices[0].axes, slices[0].position
    affine[:3, 2] = (slices[-1].position - slices[0].position) / (len(slices) - 1)
    return array, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine


def _slices(paths: Sequence[Path]) -> list[Slice]:
    return [found for path in paths if path.is_file() and (found := _slice(path)) is not None]


def _slice(path: Path) -> Slice | None:
    """What a file says; none if it is no DICOM image."""
    reader = itk.GDCMImageIO.New()
    with path.open("rb") as file:
        begin = file.read(1024)
    magic = begin[128:132] == b"DICM"
    if not magic and not reader.CanReadFile(str(path)):
        if path.name.lower().endswith(ENDINGS):
            raise InputError(f"{path} cannot be read as a DICOM image: it is damaged.")
        return None
    if magic and begin[132:134] != b"\x02\x00":  # no meta header: GDCM would search long
        raise InputError(f"{path} cannot be read as a DICOM image: it is damaged.")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        if _sop_class(begin).startswith(WITHOUT_IMAGE):
            return None
        raise InputError(f"{path} cannot be read as a DICOM image: it is damaged.") from error
    tags = reader.GetMetaDataDictionary()
    placed = tags.HasKey(POSITION) and tags.HasKey(ORIENTATION)
    return Slice(
        path,
        tags[SERIES] if tags.HasKey(SERIES) else "",
        tuple(reader.GetDimensions(axis) for axis in range(reader.GetNumberOfDimensions())),
        np.array([reader.GetOrigin(axis) for axis in range(3)]) if placed else np.full(3, np.nan),
        np.stack([np.array(reader.GetDirection(axis)) * reader.GetSpacing(axis) for axis in (0, 1)], axis=1),
    )


def _sop_class(begin: bytes) -> str:
    """The kind of object, from the meta header: group 0002, always explicit and little-endian."""
    place = begin.find(b"\x02\x00\x02\x00UI")
    return begin[place + 8 : place + 8 + begin[place + 6]].decode("latin-1") if place >= 0 else ""


def _check_alike(folder: Path, slices: Sequence[Slice]) -> None:
    for each in slices:
        if each.size[2:] != (1,) or np.isnan(each.position).any():
            lacks = "does not say where it lies" if each.size[2:] == (1,) else f"holds {each.size[2]} images"
            raise InputError(
                f"{each.path} {lacks}: the {len(slices)} files of a series are expected to be one placed slice each."
            )
    size = Counter(each.size for each in slices).most_common(1)[0][0]
    axes = np.median([each.axes for each in slices], axis=0)
    tolerance = ALIKE * np.linalg.norm(axes, axis=0).max()
    odd = [each for each in slices if each.size != size or np.abs(each.axes - axes).max() > tolerance]
    if odd:
        names = odd[0].path.name if len(odd) == 1 else f"{odd[0].path.name} and {len(odd) - 1} more"
        raise InputError(
            f"{folder} is expected to hold one volume, but of its {len(slices)} files {names} differ in size or "
            "direction from the others: move scouts and other scans out of it."
        )


def _in_order(folder: Path, slices: Sequence[Slice]) -> list[Slice]:
    """Sort along rows x columns; the slices must be even and on one line."""
    normal = np.cross(*slices[0].axes.T)
    normal /= np.linalg.norm(normal)
    slices = sorted(slices, key=lambda each: float(each.position @ normal))
    positions = np.array([each.position for each in slices])
    gaps = np.diff(positions @ normal)
    _check_distinct(folder, slices, gaps)
    spacing = float(np.median(gaps))
    tolerance = max(UNEVEN * spacing, min(UNEVEN_MM, MAXIMUM_UNEVEN * spacing))
    widest = int(np.abs(gaps - spacing).argmax())
    if abs(gaps[widest] - spacing) > tolerance:
        first, second = slices[widest].path.name, slices[widest + 1].path.name
        raise InputError(
            f"{folder} lacks slices, or is unevenly spaced: from {first} to {second} it is {gaps[widest]:.4g} mm, "
            f"between most of its {len(slices)} slices {spacing:.4g} mm."
        )
    even = np.linspace(positions[0], positions[-1], len(slices))
    apart = np.linalg.norm(positions - even, axis=1)
    if apart.max() > max(tolerance, MAXIMUM_UNEVEN * spacing):
        raise InputError(
            f"{folder} is expected to hold slices on a line, but {slices[int(apart.argmax())].path.name} lies "
            f"{apart.max():.3g} mm away from it."
        )
    return slices


def _check_distinct(folder: Path, slices: Sequence[Slice], gaps: NDArray) -> None:
    same = np.flatnonzero(gaps <= UNEVEN * gaps.max())
    if len(same):
        first, second = slices[same[0]].path.name, slices[same[0] + 1].path.name
        raise InputError(
            f"{folder} is expected to hold one slice at each position, but {len(same)} of its {len(slices)} files lie "
            f"where another one does, {second} where {first} does: keep one time or echo, and no copies."
        )
