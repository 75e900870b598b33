"""What is checked of the file of a displacement field before a reader sees it.

ITK fills fields up that are cut short, crashes on some headers, and knows no conventions of other programs.
"""

import math
import re
from collections.abc import Callable
from pathlib import Path

from .integrity import check_complete
from .nifti_header import read_nifti_header, warn_of_two_places

KIND = "a displacement field"
BYTES = {
    1: ("char", "uchar", "int8", "uint8", "signed char", "unsigned char", "int8_t", "uint8_t"),
    2: ("short", "ushort", "int16", "uint16", "unsigned short", "int16_t", "uint16_t"),
    4: ("int", "uint", "int32", "uint32", "unsigned int", "int32_t", "uint32_t", "float"),
    8: ("double", "int64", "uint64", "int64_t", "uint64_t", "long long", "unsigned long long", "long_long"),
}
FSL = {*range(2006, 2010), *range(2016, 2019)}  # intents of FNIRT and TOPUP
FOREIGN = {"NREG_TRANS": "NiftyReg, in RAS", "Mapping": "SPM, of places instead of displacements"}


def check_field_file(path: Path) -> None:
    """Refuse a file that is damaged, cut short, or holds the transform of another program.

    Args:
        path: of a file that is there.

    Raises:
        ValueError: in a sentence, if it is one of these, or in no format that can be checked.
    """
    for endings, check in CHECKS.items():
        if path.name.lower().endswith(endings):
            return check(path)
    known = ", ".join(ending for endings in CHECKS for ending in endings)
    raise ValueError(f"{path} cannot be read as {KIND}: its name is expected to end in one of {known}.")


def _check_nifti(path: Path) -> None:
    try:
        header, _, shape, affine, other = read_nifti_header(path)
        start, item = header.get_data_offset(), header.get_data_dtype().itemsize
        intent, name = int(header["intent_code"]), header["intent_name"].item().decode("latin-1")
    except Exception as error:  # nibabel raises many kinds
        raise ValueError(f"{path} cannot be read as {KIND}: its header is damaged.") from error
    check_complete(path, start + item * math.prod(map(int, shape)), kind=KIND)
    program = FOREIGN.get(name, "FSL, in voxels of its own" if intent in FSL else None)
    if program:
        raise ValueError(
            f"{path} is a transform of {program}, but displacements in mm, LPS, are expected, as ITK and ANTs "
            "have them: convert it."
        )
    if not affine.any():
        raise ValueError(f"{path} has no affine: its header does not say where the vectors lie in the world.")
    if other is not None:
        warn_of_two_places(path, shape, affine, other)


def _check_metaimage(path: Path) -> None:
    """ITK crashes on a number of dimensions that is none."""
    content = path.read_bytes()
    end = re.search(rb"^ElementDataFile *= *(.*)\n?", content, re.M)
    header = content[: end.start() if end else 0].decode("latin-1")
    fields = dict(re.findall(r"^(\w+) *= *(.*?)\s*$", header, re.M))
    try:
        dims = int(fields["NDims"])
        sizes, channels = _sizes(fields["DimSize"]), int(fields.get("ElementNumberOfChannels", 1))
        item = _item(fields["ElementType"].removeprefix("MET_").removesuffix("_ARRAY"))
        sound = len(sizes) == dims in (2, 3) and channels > 0 and fields.get("ObjectType", "Image") == "Image"
        for name, count in {
            "ElementSpacing": dims,
            "Offset": dims,
            "Position": dims,
            "TransformMatrix": dims**2,
        }.items():
            sound &= name not in fields or len(_numbers(fields[name])) == count
        skipped = int(fields.get("HeaderSize", 0))
        sound &= fields.get("BinaryData", "True")[0] in "Tt1" and end is not None and skipped >= 0
    except (KeyError, ValueError, IndexError):
        sound = False
    if not sound or end is None:
        raise ValueError(f"{path} cannot be read as {KIND}: its header is damaged, or no MetaImage's.")
    local = end[1].strip().upper() == b"LOCAL"
    data = path if local else path.parent / end[1].strip().decode("latin-1")
    compressed = fields.get("CompressedData", "False")[:1] in ("T", "t", "1")
    _check_data(path, data, item * channels * math.prod(sizes), end.end() if local else skipped, compressed)


def _check_nrrd(path: Path) -> None:
    content = path.read_bytes()
    end = re.search(rb"\r?\n\r?\n", content)
    header = content[: end.start() if end else None].decode("latin-1")
    fields = {key.lower(): value.strip() for key, value in re.findall(r"^([^#:=\n]+): *(.*)$", header, re.M)}
    try:
        sizes, item = _sizes(fields["sizes"]), _item(fields["type"])
        skipped, encoding = int(fields.get("byte skip", 0)), fields["encoding"].lower()
        name = fields.get("data file", fields.get("datafile"))
        sound = header.startswith("NRRD") and len(sizes) == int(fields["dimension"]) and "line skip" not in fields
        sound &= skipped >= 0 and encoding in ("raw", "gzip", "gz") and (name is not None or end is not None)
    except (KeyError, ValueError):
        sound = False
    if not sound:
        raise ValueError(f"{path} cannot be read as {KIND}: its header is damaged, or its encoding not raw or gzip.")
    data, start = (path, end.end() if end else 0) if name is None else (path.parent / name, 0)
    _check_data(path, data, item * math.prod(sizes), start + skipped, encoding != "raw")


def _check_data(path: Path, data: Path, promised: int, start: int, compressed: bool) -> None:
    if not data.is_file():
        raise FileNotFoundError(f"There is no file {data}, which {path} names.")
    check_complete(data, promised, start, compressed, KIND)


def _item(name: str) -> int:
    """Bytes of a number, of the type's name."""
    for size, names in BYTES.items():
        if name.lower() in names:
            return size
    raise ValueError(name)


def _sizes(text: str) -> list[int]:
    sizes = [int(each) for each in text.split()]
    if min(sizes) < 1:
        raise ValueError(text)
    return sizes


def _numbers(text: str) -> list[float]:
    numbers = [float(each) for each in text.split()]
    if not all(map(math.isfinite, numbers)):
        raise ValueError(text)
    return numbers


CHECKS: dict[tuple[str, ...], Callable[[Path], None]] = {
    (".nii.gz", ".nii"): _check_nifti,
    (".mha", ".mhd"): _check_metaimage,
    (".nrrd", ".nhdr"): _check_nrrd,
}
