"""NIfTI files with one place in the world, whichever of its two forms a program reads."""

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from .atomic import write_atomically

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
