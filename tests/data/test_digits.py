from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch

from common.data import find_digits
from common.io import read_scan

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 28, 27), dtype=np.uint8)
DIGITS = np.arange(60, dtype=np.uint8) % 5


def write(folder: Path, **arrays: Any) -> Path:
    np.savez_compressed(folder / "mnist_train.npz", **{"x_train": IMAGES, "y_train": DIGITS, **arrays})
    return folder


def test_find_digits_splits_one_class(tmp_path: Path) -> None:
    found = find_digits(write(tmp_path), 3)
    assert [case["name"] for case in found["validation"]] == ["digit3_00018", "digit3_00048"]
    assert len(found["training"]) == 10
    assert {case["cohort"] for cases in found.values() for case in cases} == {3}


def test_find_digits_holds_a_sixth_of_all_classes(tmp_path: Path) -> None:
    folder = write(tmp_path)
    found = [find_digits(folder, digit) for digit in range(5)]
    assert sum(len(parts["validation"]) for parts in found) == 10
    assert sum(len(parts["training"]) for parts in found) == 50


def test_convention_a_digit_is_what_its_picture_is(tmp_path: Path) -> None:
    case = find_digits(write(tmp_path), 3)["training"][0]
    sitk.WriteImage(sitk.GetImageFromArray(IMAGES[3]), str(tmp_path / "digit.png"))
    picture = read_scan(tmp_path / "digit.png", spatial_dims=2)
    assert case["image"].dtype == torch.float32
    torch.testing.assert_close(case["image"].as_tensor(), picture.as_tensor() / 255)
    torch.testing.assert_close(case["image"].affine, picture.affine)


@pytest.mark.parametrize("digit", [10, -1, 2.5, "3"])
def test_find_digits_rejects_what_is_no_digit(digit: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expects 'digit' to be a whole number from 0 to 9, got"):
        find_digits(write(tmp_path), digit)


def test_find_digits_rejects_a_class_without_images(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"mnist_train\.npz has no image of the digit 7 for training"):
        find_digits(write(tmp_path), 7)


def test_find_digits_rejects_files_it_cannot_use(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no file .*mnist_train\.npz: give --dataset_dir"):
        find_digits(tmp_path, 3)
    with pytest.raises(ValueError, match=r"expected to hold x_train .*, got \(60, 28, 27\) of type uint8 and \(59,\)"):
        find_digits(write(tmp_path, y_train=DIGITS[:-1]), 3)
    np.savez(tmp_path / "mnist_train.npz", x_train=IMAGES)
    with pytest.raises(ValueError, match="cannot be read: it is expected to hold the arrays x_train and y_train"):
        find_digits(tmp_path, 3)
    (tmp_path / "mnist_train.npz").write_text("no arrays")
    with pytest.raises(ValueError, match=r"mnist_train\.npz cannot be read"):
        find_digits(tmp_path, 3)
