"""Images are registered in 2-D, volumes, stacks and slices in space in 3-D."""

from pathlib import Path

import itk
import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from common.io import find_spatial_dims, has_one_slice

OBLIQUE = np.array([[0.1, 0.2, 8, 0], [1, 0.1, 0, 0], [0.1, -1, 0, 0], [0, 0, 0, 1]])


def write(path: Path, shape: tuple[int, ...], affine: np.ndarray) -> None:
    array = np.zeros(shape, np.uint8)
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix in (".png", ".jpg"):
        Image.fromarray(array).save(path)
    elif path.suffix in (".mha", ".nrrd"):
        itk.imwrite(itk.image_from_array(array), str(path))
    else:
        nib.save(nib.Nifti1Image(array, affine), path)


@pytest.mark.parametrize(
    ("name", "shape", "phase", "expected"),
    [
        ("a.png", (6, 5), None, 2),
        ("color.PNG", (6, 5, 3), None, 2),
        ("color.jpg", (6, 5, 3), None, 2),
        ("a.npy", (6, 5), None, 2),
        ("stack.npy", (6, 5, 3), None, 3),
        ("through_time.npy", (6, 5, 3), 1, 2),
        ("a.mha", (6, 5), None, 2),
        ("a.nrrd", (6, 5, 3), None, 3),
        ("flat.nii.gz", (6, 5), None, 2),
        ("flat.nii", (6, 5, 1), None, 2),
        ("volume.nii.gz", (6, 5, 4), None, 3),
        ("slice_through_time.nii.gz", (6, 5, 1, 4), 2, 2),
        ("stack_through_time.nii.gz", (6, 5, 3, 4), 2, 3),
        ("one_time.nii.gz", (6, 5, 3, 1), None, 3),
        ("oblique.nii.gz", (6, 5, 1), None, 3),
        ("oblique_through_time.nii.gz", (6, 5, 1, 4), 0, 3),
    ],
)
def test_find_spatial_dims(name: str, shape: tuple[int, ...], phase: int | None, expected: int, tmp_path: Path) -> None:
    write(tmp_path / name.lower(), shape, OBLIQUE if "oblique" in name else np.diag([-2.0, 3, 8, 1]))
    (tmp_path / name.lower()).rename(tmp_path / name)
    assert find_spatial_dims(tmp_path / name, phase) == expected


def test_find_spatial_dims_leaves_complaints_to_the_reader(tmp_path: Path) -> None:
    assert find_spatial_dims(tmp_path / "absent.png") == 3


def test_find_spatial_dims_of_a_folder(tmp_path: Path) -> None:
    assert find_spatial_dims(tmp_path) == 3


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("a.nii.gz", (5, 6, 1), True),
        ("a.nii.gz", (5, 6, 1, 4), True),
        ("a.nii.gz", (5, 6), False),
        ("a.nii.gz", (5, 6, 7), False),
        ("a.mha", (1, 6, 5), True),
        ("a.mha", (6, 5), False),
        ("a.png", (6, 5), False),
    ],
)
def test_has_one_slice(name: str, shape: tuple[int, ...], expected: bool, tmp_path: Path) -> None:
    write(tmp_path / name, shape, np.eye(4))
    assert has_one_slice(tmp_path / name) == expected


def test_has_one_slice_of_what_cannot_be_read(tmp_path: Path) -> None:
    assert not has_one_slice(tmp_path / "absent.nii.gz")
    assert not has_one_slice(tmp_path)
