"""NIfTI files with one place in the world, whichever of its two forms a program reads."""

from pathlib import Path

import nibabel as nib
import numpy as np
from monai.data import MetaTensor
from numpy.typing import NDArray

from .atomic import write_atomically

ONE_SLICE = "one_slice"  # meta entry of a 2-D scan whose file has a third axis, so that results get one as well
SHEAR = 1e-3  # of the voxel size: half a voxel at the far end of 512


def write_nifti(path: str | Path, array: NDArray, affine: NDArray, intent: int = 0) -> None:
    """Write an array, atomically; lengths in mm.

    The qform cannot hold axes that are not perpendicular. It then stays undeclared: programs that read the sform see
    the voxels where they are, and ITK, which has no such images, refuses the file instead of misplacing it.

    Args:
        path: name that ends in ``.nii.gz`` or ``.nii``.
        array: what is written, in its own type.
        affine: voxel to world, RAS mm, ``(4, 4)``.
        intent: code of the NIfTI standard.

    Raises:
        OSError: if it cannot be written.
    """
    image = nib.Nifti1Image(array, affine)
    image.header.set_intent(intent)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if (np.abs(image.get_qform() - affine)[:3, :3] > SHEAR * lengths).any():
        image.set_qform(None, code=0)
        image.set_sform(affine, code=1)
    write_atomically(path, lambda name: nib.save(image, name))


def save_scan(path: str | Path, image: MetaTensor) -> None:
    """Write a scan or label map ``(1, *spatial)`` as NIfTI, in the type and with the axes its file had, atomically."""
    array = restore_dtype(image.as_tensor()[0].numpy(), image.meta["stored_dtype"])
    if image.meta.get(ONE_SLICE) and array.ndim == 2:
        array = array[..., None]
    write_nifti(path, array, image.affine.double().numpy())


def restore_dtype(array: np.ndarray, name: str) -> np.ndarray:
    """Round and clip values to the integer type their scan was stored in; floats become float32."""
    dtype = np.dtype(name)
    if dtype.kind not in "ui":
        return array.astype(np.float32)
    limits = np.iinfo(dtype)
    wide = array.astype(np.float64) if dtype.itemsize > 2 else array  # single precision rounds 2^31 - 1 up
    return np.clip(np.rint(wide), limits.min, limits.max).astype(dtype)
