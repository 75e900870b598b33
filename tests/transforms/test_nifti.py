"""NIfTI files that every program puts at the same place, or does not open."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from common.transforms import write_nifti

ARRAY = np.arange(210, dtype=np.int16).reshape(5, 6, 7)
OBLIQUE = np.array([[-1.6, 0.9, 0, 4], [1.2, 1.2, 0, -30], [0, 0, 3, 12], [0, 0, 0, 1]])


def sheared(by: float) -> np.ndarray:
    """Slices 3 mm apart, each shifted by a share of that, as a tilted gantry leaves them."""
    affine = np.diag([-2.0, -2, 3, 1])
    affine[1, 2] = 3 * by
    return affine


@pytest.mark.parametrize("affine", [OBLIQUE, sheared(0), sheared(1e-4)])
def test_both_forms_say_the_same(affine: np.ndarray, tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz", ARRAY, affine, intent=1002)
    image = nib.load(tmp_path / "a.nii.gz")
    assert image.header.get_xyzt_units()[0] == "mm"
    assert image.header.get_intent("code")[0] == 1002
    assert image.get_data_dtype() == np.int16
    np.testing.assert_array_equal(image.dataobj, ARRAY)
    np.testing.assert_allclose(image.get_sform(coded=True)[0], affine, atol=1e-5)
    np.testing.assert_allclose(image.get_qform(coded=True)[0], affine, atol=1e-3)
    np.testing.assert_allclose(sitk.ReadImage(str(tmp_path / "a.nii.gz")).GetOrigin(), affine[:3, 3] * [-1, -1, 1])


def test_a_shear_is_not_lost(tmp_path: Path) -> None:
    write_nifti(tmp_path / "a.nii.gz", ARRAY, sheared(0.2))
    image = nib.load(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(image.affine, sheared(0.2), atol=1e-6)
    assert image.header["qform_code"] == 0
    with pytest.raises(RuntimeError, match="orthonormal"):
        sitk.ReadImage(str(tmp_path / "a.nii.gz"))
