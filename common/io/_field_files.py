"""What is checked of the file of a displacement field before a reader sees it.

ITK fills fields up that are cut short, crashes on some headers, and knows no conventions of other programs.
"""

import math
from collections.abc import Callable
from pathlib import Path

from ._itk import FIND_VOXELS, check_voxels, open_header
from .input_error import InputError
from .integrity import check_complete
from .nifti_header import read_nifti_header, warn_of_two_places

KIND = "a displacement field"
FSL = {*range(2006, 2010), *range(2016, 2019)}  # intents of FNIRT and TOPUP
FOREIGN = {"NREG_TRANS": "NiftyReg, in RAS", "Mapping": "SPM, of places instead of displacements"}


def check_field_file(path: Path) -> None:
    """Refuse a file that is damaged, cut short, or holds the transform of another program.

    Args:
        path: of a file that is there.

    Raises:
        InputError: in a sentence, if it is one of these, or in no format that can be checked.
    """
    for endings, check in CHECKS.items():
        if path.name.lower().endswith(endings):
            return check(path)
    known = ", ".join(ending for endings in CHECKS for ending in endings)
    raise InputError(f"{path} cannot be read as {KIND}: its name is expected to end in one of {known}.")


def _check_nifti(path: Path) -> None:
    try:
        header, _, shape, affine, other = read_nifti_header(path)
        start, item = header.get_data_offset(), header.get_data_dtype().itemsize
        intent, name = int(header["intent_code"]), header["intent_name"].item().decode("latin-1")
    except Exception as error:  # nibabel raises many kinds
        raise InputError(f"{path} cannot be read as {KIND}: its header is damaged.") from error
    check_complete(path, start + item * math.prod(map(int, shape)), kind=KIND)
    program = FOREIGN.get(name, "FSL, in voxels of its own" if intent in FSL else None)
    if program:
        raise InputError(
            f"{path} is a transform of {program}, but displacements in mm, LPS, are expected, as ITK and ANTs "
            "have them: convert it."
        )
    if not affine.any():
        raise InputError(f"{path} has no affine: its header does not say where the vectors lie in the world.")
    if other is not None:
        warn_of_two_places(path, shape, affine, other)


def _check_with_itk(path: Path) -> None:
    try:
        header = open_header(path)
        found, promised = FIND_VOXELS[header.GetNameOfClass()](path), header.GetImageSizeInBytes()
    except FileNotFoundError:
        raise
    except Exception as error:  # ITK and the look at the header raise many kinds
        raise InputError(f"{path} cannot be read as {KIND}: its header is damaged.") from error
    if found is None:
        raise InputError(f"{path} cannot be read as {KIND}: its header is damaged, or its encoding not raw or gzip.")
    check_voxels(path, found, promised, KIND)


CHECKS: dict[tuple[str, ...], Callable[[Path], None]] = {
    (".nii.gz", ".nii"): _check_nifti,
    (".mha", ".mhd", ".nrrd", ".nhdr"): _check_with_itk,
}
