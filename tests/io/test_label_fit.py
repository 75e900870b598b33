"""A label map with the axes of its scan."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from scipy.spatial.transform import Rotation

from common.io import InputError, fit_label

SHAPE = (5, 6, 7)
VALUES = np.arange(2 * 210).reshape(2, *SHAPE)


def affine_at(degrees: float) -> np.ndarray:
    """Oblique by so much about an axis, voxels of three sizes."""
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("z", degrees, degrees=True).as_matrix() * [2.0, 3.1, 1.7]
    affine[:3, 3] = [-4.0, 30.0, 12.0]
    return affine


def as_label(values: np.ndarray, affine: np.ndarray, placed: bool = True) -> MetaTensor:
    return MetaTensor(torch.from_numpy(values.copy()), affine=torch.from_numpy(affine), meta={"placed": placed})


@pytest.mark.parametrize("degrees", [0.0, 20.0, 44.0])
@pytest.mark.parametrize("codes", ["RAS", "LPI", "SPR", "AIL"])
def test_turned_labels_are_turned_back(codes: str, degrees: float) -> None:
    affine = affine_at(degrees)
    image = nib.Nifti1Image(np.moveaxis(VALUES, 0, -1).astype(np.int32), affine)
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(codes)
    )
    turned = image.as_reoriented(turn)
    label = as_label(np.moveaxis(np.asarray(turned.dataobj), -1, 0), turned.affine)
    fitted = fit_label(label, as_label(VALUES, affine), "label.nii")
    assert np.array_equal(fitted.numpy(), VALUES)
    np.testing.assert_allclose(fitted.affine.numpy(), affine, atol=1e-6)


@pytest.mark.parametrize("degrees", [45.001, 44.9999])
def test_labels_that_fit_stay(degrees: float) -> None:
    """At 45 degrees rounding decides which axis is which."""
    label = as_label(VALUES, affine_at(degrees))
    assert fit_label(label, as_label(VALUES, affine_at(45.0)), "label.nii") is label
    elsewhere = as_label(VALUES, np.diag([9.0, 9, 9, 1]), placed=False)
    assert fit_label(elsewhere, as_label(VALUES, affine_at(45.0)), "label.nii") is elsewhere


def test_other_labels_are_refused() -> None:
    scan = as_label(VALUES, affine_at(0.0))
    moved = affine_at(0.0)
    moved[0, 3] += 1.0
    with pytest.raises(InputError, match=r"^a\.nii is expected to lie where its scan does, but .* up to 1 mm apart\.$"):
        fit_label(as_label(VALUES, moved), scan, "a.nii")
    with pytest.raises(
        InputError, match=r"^a\.nii is expected to have the shape \(5, 6, 7\) of its scan, got \(5, 6, 6"
    ):
        fit_label(as_label(VALUES[..., 1:], affine_at(0.0)), scan, "a.nii")
