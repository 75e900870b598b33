"""Reading a scan, label map or mask: every format ITK, nibabel and NumPy read, checked, in one frame.

What the readers leave to chance is checked here once (missing and truncated files, dimensions, time, NaN, constant
images, singular affines), so that everything behind it can trust its input.
"""

from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor

from ._formats import read_array
from .bounds import INTENSITY, check_place, check_size
from .files import existing_file
from .input_error import InputError

LARGEST_LABEL = 2**31 - 1  # torch looks up and NIfTI's readers agree on integers of 32 bits
LARGEST_EXACT = 2**24  # whole number in single precision
LEAST_STEPS = 50  # of single precision between the darkest and the brightest voxel


def read_scan(path: str | Path, spatial_dims: int = 3, label: bool = False, phase: int | None = None) -> MetaTensor:
    """Read one scan.

    Args:
        path: NIfTI, NRRD, MetaImage, any other file ITK reads, or a folder with one DICOM series; PNG, JPEG, TIFF and
            ``.npy`` as well, on voxels of 1 mm, color as luminance. The axes of a picture are columns, rows, as ITK
            has them; those of a ``.npy`` stay in their order.
        spatial_dims: 2 or 3.
        label: the file is a label map or mask: values must be whole numbers and may be constant.
        phase: the time to take, from 0, of a file with one more axis, the last; a file without is taken as it is.

    Returns:
        ``(1, *spatial)``: float32 for a scan, int32 for a label map; ``affine`` is voxel to world, RAS mm, ``(4, 4)``
        float64; ``meta["stored_dtype"]`` names the type in the file, or for integers of 64 bits one to write instead;
        ``meta["placed"]`` is False for pictures and ``.npy``, which do not say where they are.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        InputError: if it is no image, is damaged, has other dimensions or not that phase, or its values, its size or
            its place in the world are none that a scan can have.
    """
    path = Path(path)
    if not path.is_dir():
        existing_file(path)
    array, affine, placed = read_array(path, label)
    array = _at_phase(_drop_single_axes(array, spatial_dims), spatial_dims, phase, path)
    _check_dimensions(array.shape, spatial_dims, path, label)
    check_size(path, array.shape)
    check_place(path, array.shape, affine)
    _check_values(array, path, label)
    values = np.ascontiguousarray(array.astype(np.int32 if label else np.float32))[None]
    if not label and values.min() == values.max():
        raise InputError(f"{path} is constant: every voxel is {array.flat[0]}, there is nothing to register.")
    if not label and np.spacing(np.abs(values).max()) * LEAST_STEPS > np.ptp(values):
        raise InputError(
            f"{path} holds values from {array.min()} to {array.max()}, which single precision cannot tell apart: "
            "subtract what they have in common."
        )
    meta = {"stored_dtype": _stored_dtype(array, label), "placed": placed}
    return MetaTensor(torch.from_numpy(values), affine=torch.from_numpy(affine), meta=meta)


def _stored_dtype(array: np.ndarray, label: bool) -> str:
    """The type results are written in: nibabel refuses integers of 64 bits, which other programs cannot read."""
    if array.dtype.kind in "ui" and array.dtype.itemsize == 8:
        return "int32" if label else "float32"
    if label and array.dtype.kind == "f" and np.abs(array).max() > LARGEST_EXACT:
        return "int32"
    return str(array.dtype)


def _drop_single_axes(array: np.ndarray, spatial_dims: int) -> np.ndarray:
    """Axes of length one behind the spatial ones mean nothing (NIfTI writes 2-D images with a third one)."""
    while array.ndim > spatial_dims and array.shape[-1] == 1:
        array = array[..., 0]
    if spatial_dims == 2 and array.ndim == 4 and array.shape[2] == 1:  # 2-D through time is (x, y, 1, t)
        return array[:, :, 0]
    return array


def _at_phase(array: np.ndarray, spatial_dims: int, phase: int | None, path: Path) -> np.ndarray:
    if phase is None or array.ndim != spatial_dims + 1:
        return array
    if not 0 <= phase < array.shape[-1]:
        raise InputError(f"{path} has the phases 0 to {array.shape[-1] - 1}, there is no phase {phase}.")
    return array[..., phase]


def _check_dimensions(shape: tuple[int, ...], spatial_dims: int, path: Path, label: bool) -> None:
    if len(shape) == spatial_dims:
        return
    hint = "."
    if len(shape) == 2:
        hint = ": set spatial_dims to 2 for it."
    if len(shape) == spatial_dims + 1:
        hint = f": if its last axis is time, choose one of {shape[-1]} phases with fixed_phase and moving_phase, or "
        hint += "where there are no such options, save it in a file of its own"
        hint += "; if it holds one label each, save one map of numbers." if label else "."
    if shape[spatial_dims:-1] == (1,):
        hint = f": its last axis are the {shape[-1]} components of a vector, save one of them alone."
    if spatial_dims == 2 and len(shape) in (3, 4):
        hint = f": for all of its slices set spatial_dims to 3{hint.replace(':', ';', 1)}"
    raise InputError(f"{path} is expected to be a {spatial_dims}-D scan, got the shape {tuple(shape)}{hint}")


def _check_values(array: np.ndarray, path: Path, label: bool) -> None:
    if array.dtype.kind not in "buif":
        raise InputError(
            f"{path} is expected to hold one number per voxel, got the type {array.dtype}: colors or components."
        )
    least, greatest = array.min(), array.max()  # NaN if one voxel is
    if not (np.isfinite(least) and np.isfinite(greatest)):
        raise InputError(f"{path} holds NaN or infinite values.")
    largest = LARGEST_LABEL if label else INTENSITY
    for value in (least, greatest):
        if abs(float(value)) > largest:
            kind = "labels" if label else "intensities"
            raise InputError(f"{path} is expected to hold {kind} up to {largest:.10g}, got {value}.")
    if label and array.dtype.kind == "f" and (array != np.round(array)).any():
        raise InputError(f"{path} is expected to be a label map, got values that are not whole numbers.")
