"""Displacement fields in files: ITK's convention, LPS mm on the fixed grid, pull-back.

A field written here opens as a transform in ITK, SimpleITK, ANTs and 3D Slicer; any displacement field those write is
read here. NIfTI holds it as ``(H, W, D, 1, 3)``, float32, intent 1007 (vector): ITK flips x and y of intent 1006.
"""

from pathlib import Path
from typing import Any, NamedTuple

import itk
import nibabel as nib
import numpy as np
import torch

from common.spatial import Grid, ras_to_lps

from ._field_files import check_field_file
from .files import existing_file
from .input_error import InputError
from .nifti import write_nifti

VECTOR_INTENT, FLIPPED_INTENT = 1007, 1006


class Field(NamedTuple):
    """A displacement field in the world.

    Attributes:
        displacement: ``(1, d, *grid.shape)``, LPS mm: the fixed point p corresponds to the moving p + displacement(p).
        grid: the fixed grid, affine RAS.
        place: of a slice, where it lies along the third axis: affine of the fixed scan, RAS, ``(4, 4)``.
    """

    displacement: torch.Tensor
    grid: Grid
    place: torch.Tensor | None = None

    @property
    def affine_3d(self) -> torch.Tensor:
        """Affine of the fixed scan as files have it, RAS, ``(4, 4)``."""
        return self.grid.affine_3d(self.place)


def write_field(path: str | Path, field: Field) -> None:
    """Write a displacement field as NIfTI, atomically.

    Args:
        path: name that ends in ``.nii.gz`` or ``.nii``.
        field: in 2-D or 3-D. ITK has no place along the third axis for one slice of vectors; the file's header has.

    Raises:
        OSError: if it cannot be written.
    """
    dims = len(field.grid.shape)
    array = field.displacement[0].movedim(0, -1).numpy().astype(np.float32)
    array = array.reshape(*field.grid.shape, *[1] * (4 - dims), dims)
    write_nifti(path, array, field.affine_3d.numpy(), VECTOR_INTENT)


def read_field(path: str | Path) -> Field:
    """Read a displacement field from NIfTI, MetaImage or NRRD, as ITK and its programs write them.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is no image with as many components as dimensions, is damaged or cut short, holds NaN, or says
            that it is a transform of FSL, NiftyReg or SPM.
    """
    path = existing_file(path)
    check_field_file(path)
    if _is_not_for_itk(path):
        return _read_with_nibabel(path)
    try:
        # float vectors of any length: ITK's Python reader has no type for the fields of doubles SimpleITK writes
        image = itk.imread(str(path), itk.VariableLengthVector[itk.F])
        array = itk.array_from_image(image)
    except (RuntimeError, TypeError) as error:
        raise InputError(f"{path} cannot be read as a displacement field.") from error
    dims = image.GetImageDimension()
    if array.ndim != dims + 1 or array.shape[-1] not in (dims, dims - 1) or array.shape[-1] < 2:
        raise InputError(f"{path} is expected to hold one vector per voxel, got an array of shape {array.shape}.")
    if not np.isfinite(array).all():
        raise InputError(f"{path} holds NaN or infinite displacements.")
    lps = torch.eye(dims + 1, dtype=torch.float64)
    direction = np.asarray(itk.array_from_matrix(image.GetDirection()))
    lps[:-1, :-1] = torch.from_numpy(direction * np.asarray(list(image.GetSpacing())))
    lps[:-1, -1] = torch.tensor(list(image.GetOrigin()), dtype=torch.float64)
    vectors = torch.from_numpy(np.ascontiguousarray(array.T.astype(np.float32)))  # (components, i, j, k)
    components = len(vectors)
    if components == dims - 1:  # a 2-D field in a 3-D file
        if vectors.shape[-1] != 1:
            raise InputError(f"{path} is expected to hold one vector per voxel, got {components} numbers in {dims}-D.")
        return _in_plane(vectors, ras_to_lps(lps))
    return Field(vectors[None], Grid(tuple(vectors.shape[1:]), ras_to_lps(lps)))


def _in_plane(vectors: torch.Tensor, affine: torch.Tensor) -> Field:
    """A field of 2-D vectors, ``(2, H, W, 1)``, that has a place in three dimensions."""
    keep = [0, 1, 3]
    place = None if torch.equal(affine[2], torch.eye(4)[2].to(affine)) else affine  # what a picture has
    return Field(vectors[None, ..., 0], Grid(tuple(vectors.shape[1:3]), affine[keep][:, keep]), place)


def _is_not_for_itk(path: Path) -> bool:
    """Whether it is a NIfTI file of one slice, which ITK puts nowhere, or of a sheared grid, which it does not open."""
    try:
        header: Any = nib.load(path).header
        shape, intent = header.get_data_shape(), header.get_intent("code")[0]
    except Exception:  # another format, or damaged: for ITK to say
        return False
    only_sform = header["sform_code"] > 0 and header["qform_code"] == 0
    vectors = shape[3:] in ((1, 2), (1, 3)) and intent != FLIPPED_INTENT
    return vectors and (shape[2] == 1 or (only_sform and shape[4] == 3))


def _read_with_nibabel(path: Path) -> Field:
    image: Any = nib.load(path)
    try:
        array = np.asanyarray(image.dataobj, dtype=np.float32)
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a displacement field.") from error
    vectors = torch.from_numpy(np.ascontiguousarray(np.moveaxis(array[:, :, :, 0], -1, 0)))
    if not np.isfinite(array).all():
        raise InputError(f"{path} holds NaN or infinite displacements.")
    affine = torch.from_numpy(image.affine).double()
    return (
        Field(vectors[None], Grid(tuple(vectors.shape[1:]), affine))
        if len(vectors) == 3
        else _in_plane(vectors, affine)
    )
