"""NIfTI files that every program puts at the same place, or does not open."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from monai.data import MetaTensor

from common.io import read_scan, restore_dtype, save_scan, write_nifti

SHAPE = (5, 6, 7)
ARRAY = np.arange(210, dtype=np.int16).reshape(SHAPE)
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


SCAN_AFFINE = torch.tensor([[0.0, -3, 0.4, 10], [2, 0.5, 0, 20], [0.3, 0, 1.5, -30], [0, 0, 0, 1]]).double()


def scan(values: torch.Tensor, dtype: str) -> MetaTensor:
    return MetaTensor(values[None], affine=SCAN_AFFINE, meta={"stored_dtype": dtype})


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_save_scan_round_trip(dtype: str, tmp_path: Path) -> None:
    values = torch.arange(210).reshape(SHAPE).float()
    save_scan(tmp_path / "a.nii.gz", scan(values, dtype))
    read = read_scan(tmp_path / "a.nii.gz")
    assert read.meta["stored_dtype"] == dtype
    assert torch.equal(read.as_tensor()[0], values)
    torch.testing.assert_close(read.affine, SCAN_AFFINE, atol=1e-5, rtol=0)


def test_save_scan_rounds_and_clips_to_the_stored_type(tmp_path: Path) -> None:
    values = torch.zeros(SHAPE)
    values[0, 0, :3] = torch.tensor([-3.0, 1.6, 300.0])
    save_scan(tmp_path / "a.nii.gz", scan(values, "uint8"))
    assert read_scan(tmp_path / "a.nii.gz")[0, 0, 0, :3].tolist() == [0, 2, 255]


def test_save_scan_writes_what_was_stored_big_endian(tmp_path: Path) -> None:
    values = torch.arange(210).reshape(SHAPE).float() - 100
    save_scan(tmp_path / "a.nii.gz", scan(values, ">i2"))
    assert torch.equal(read_scan(tmp_path / "a.nii.gz").as_tensor()[0], values)


def test_save_scan_declares_its_geometry(tmp_path: Path) -> None:
    """ITK reads the qform or the sform, nibabel the sform: both are there, in mm."""
    orthogonal = MetaTensor(torch.rand(1, *SHAPE), affine=torch.diag(torch.tensor([-1.0, 2, 3, 1])).double())
    orthogonal.meta["stored_dtype"] = "float32"
    save_scan(tmp_path / "a.nii.gz", orthogonal)
    header = nib.Nifti1Image.from_filename(tmp_path / "a.nii.gz").header
    assert int(header["qform_code"]) == int(header["sform_code"]) == 1
    np.testing.assert_allclose(header.get_qform(), header.get_sform(), atol=1e-6)
    assert header.get_xyzt_units()[0] == "mm"


def test_save_scan_in_2d(tmp_path: Path) -> None:
    affine = torch.tensor([[0.0, -3, 0, 10], [2, 0, 0, 20], [0, 0, 1, 0], [0, 0, 0, 1]]).double()
    image = MetaTensor(torch.rand(1, 5, 6), affine=affine, meta={"stored_dtype": "float32"})
    save_scan(tmp_path / "a.nii.gz", image)
    read = read_scan(tmp_path / "a.nii.gz", spatial_dims=2)
    assert torch.equal(read.as_tensor(), image.as_tensor())
    torch.testing.assert_close(read.affine, affine)


def test_save_scan_gives_a_slice_its_third_axis(tmp_path: Path) -> None:
    affine = torch.diag(torch.tensor([2.0, 3.0, 8.0, 1.0])).double()
    for one_slice, shape in ((True, (5, 6, 1)), (False, (5, 6))):
        meta = {"stored_dtype": "float32", "one_slice": one_slice}
        save_scan(tmp_path / "a.nii.gz", MetaTensor(torch.rand(1, 5, 6), affine=affine, meta=meta))
        assert nib.load(tmp_path / "a.nii.gz").shape == shape


@pytest.mark.parametrize(
    ("name", "expected"),
    [("uint8", [0, 2, 255]), ("int16", [-4, 2, 300]), ("float64", [-3.6, 1.5, 300.2]), (">i2", [-4, 2, 300])],
)
def test_restore_dtype_by_hand(name: str, expected: list[float]) -> None:
    restored = restore_dtype(np.array([-3.6, 1.5, 300.2], np.float32), name)
    assert restored.dtype == (np.float32 if name == "float64" else np.dtype(name))
    np.testing.assert_allclose(restored, expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["int32", "uint32"])
def test_restore_dtype_keeps_values_at_the_limit(name: str) -> None:
    """Single precision rounds 2^31 - 1 up, beyond the type."""
    limits = np.iinfo(name)
    array = np.array([limits.min, limits.max], np.float32)
    assert restore_dtype(array, name).tolist() == [limits.min, limits.max]
