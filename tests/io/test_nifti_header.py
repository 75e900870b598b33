"""One rule for where NIfTI files lie, the one of ITK, in single files and pairs alike."""

import logging
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import itk
import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from common.io import read_scan
from common.io.nifti_header import read_nifti, read_nifti_header

ARRAY = np.arange(210, dtype=np.int16).reshape(5, 6, 7)
SFORM = np.array([[-2.0, 0, 0, 10], [0, -2, 0, 20], [0, 0, 3, 30], [0, 0, 0, 1]])
TURN = np.eye(4)
TURN[:3, :3] = Rotation.from_euler("z", 20, degrees=True).as_matrix()
QFORM = TURN @ SFORM
SHEARED = SFORM.copy()
SHEARED[1, 2] = 1
NAMES = ("a.nii", "a.nii.gz", "a.img", "a.hdr", "a.img.gz")


def write(path: Path, forms: tuple[int, int], sform: Any = SFORM, qform: Any = QFORM, units: str = "mm") -> None:
    kind = nib.Nifti1Image if ".nii" in path.name else nib.Nifti1Pair
    image = kind(ARRAY, None)
    image.header.set_qform(qform, forms[1], strip_shears=True)
    image.header.set_sform(sform, forms[0])
    image.header["sform_code"], image.header["qform_code"] = forms
    image.header.set_xyzt_units(units)
    nib.save(image, path)


def itk_affine(path: Path) -> np.ndarray:
    image = itk.imread(str(path))
    lps = np.eye(4)
    lps[:3, :3] = itk.array_from_matrix(image.GetDirection()) * np.array(image.GetSpacing())
    lps[:3, 3] = list(image.GetOrigin())
    return np.diag([-1, -1, 1, 1]) @ lps


@pytest.mark.parametrize("name", NAMES)
def test_convention_nifti_lies_where_itk_has_it(name: str, tmp_path: Path) -> None:
    """And where nibabel has it, except for the qform beside a sform that is not the scanner's."""
    for forms in set(product(range(4), range(3))) - {(0, 0)}:
        write(tmp_path / name, forms)
        array, affine = read_nifti(tmp_path / name)
        np.testing.assert_array_equal(array, ARRAY)
        np.testing.assert_allclose(affine, itk_affine(tmp_path / name), atol=1e-4)
        if forms[0] < 2 or forms[1] == 0:
            np.testing.assert_allclose(affine, nib.load(tmp_path / name).affine, atol=1e-4)


@pytest.mark.parametrize(("units", "scale"), [("mm", 1), ("unknown", 1), ("micron", 1e-3), ("meter", 1e3)])
@pytest.mark.parametrize("forms", [(1, 0), (0, 1), (2, 1)])
def test_convention_nifti_units_become_mm(units: str, scale: float, forms: tuple[int, int], tmp_path: Path) -> None:
    write(tmp_path / "a.nii", forms, qform=SFORM, units=units)
    affine = read_nifti(tmp_path / "a.nii")[1]
    np.testing.assert_allclose(affine[:3], scale * SFORM[:3], rtol=1e-5)
    np.testing.assert_allclose(affine, itk_affine(tmp_path / "a.nii"), rtol=1e-5)


@pytest.mark.parametrize(("shift", "warned"), [(0.9, False), (1.1, True)])
def test_two_places_of_one_scan_are_warned_of(
    shift: float, warned: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """From half a voxel on, 1 mm."""
    qform = SFORM.copy()
    qform[2, 3] += shift
    write(tmp_path / "a.nii", (2, 1), qform=qform)
    with caplog.at_level(logging.WARNING, "common"):
        read_nifti(tmp_path / "a.nii")
    assert ("a.nii puts its voxels at two places, up to 1.1 mm apart" in caplog.text) == warned


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("forms", "taken"), [((1, 0), SHEARED), ((2, 0), SHEARED), ((1, 1), SHEARED)])
def test_a_sheared_scan_is_read(name: str, forms: tuple[int, int], taken: np.ndarray, tmp_path: Path) -> None:
    write(tmp_path / name, forms, sform=SHEARED, qform=SHEARED)
    np.testing.assert_allclose(read_nifti(tmp_path / name)[1], taken, atol=1e-5)


def test_a_sform_of_zeros_leaves_the_qform(tmp_path: Path) -> None:
    write(tmp_path / "a.nii", (1, 1), sform=np.zeros((4, 4)))
    np.testing.assert_allclose(read_nifti(tmp_path / "a.nii")[1], QFORM, atol=1e-5)
    np.testing.assert_allclose(itk_affine(tmp_path / "a.nii"), QFORM, atol=1e-4)


def test_a_quaternion_a_little_too_long_is_half_a_turn(tmp_path: Path) -> None:
    """What single precision makes of it; nibabel refuses such a header."""
    half = np.diag([-2.0, -2, 3, 1])
    write(tmp_path / "a.nii", (0, 1), qform=half)
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[256:268] = np.array([0, 0, 1.0000007], "<f4").tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    np.testing.assert_allclose(read_nifti(tmp_path / "a.nii")[1], half, atol=1e-5)


def write_without_place(path: Path) -> None:
    write(path, (0, 0))


def write_analyze(path: Path) -> None:
    nib.save(nib.AnalyzeImage(ARRAY, np.diag([2.0, 2, 3, 1])), path)


@pytest.mark.parametrize(
    ("name", "write_it"), [*((name, write_without_place) for name in NAMES), ("a.img", write_analyze)]
)
def test_a_header_without_a_place_is_refused(name: str, write_it: Callable[[Path], None], tmp_path: Path) -> None:
    write_it(tmp_path / name)
    with pytest.raises(ValueError, match=rf"{name} has a singular or no affine: its header does not say where"):
        read_scan(tmp_path / name)


def test_half_a_pair_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.img", (1, 1))
    (tmp_path / "a.hdr").unlink()
    with pytest.raises(FileNotFoundError, match=r"There is no file .*a\.hdr, which belongs to .*a\.img"):
        read_scan(tmp_path / "a.img")


def test_read_nifti_header_of_version_2(tmp_path: Path) -> None:
    nib.save(nib.Nifti2Image(ARRAY, SFORM), tmp_path / "a.nii")
    header = read_nifti_header(tmp_path / "a.nii")
    assert header.shape == ARRAY.shape
    np.testing.assert_allclose(header.affine, SFORM)
    assert header.other is None
