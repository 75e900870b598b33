"""The handwritten digits of MNIST, one class at a time: the example of de Vos et al., 2017, section 4.1."""

import zipfile
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray

from common.io import InputError, existing_file

from .cases import Case

FILE = "mnist_train.npz"
ARRAYS = ("x_train", "y_train")
EVERY = 6  # one image in so many is for validation: 10 000 of 60 000, as in the paper


def find_digits(dataset_dir: str | Path, digit: int) -> dict[str, list[Case]]:
    """Collect the images of one digit and split them.

    Args:
        dataset_dir: folder with ``mnist_train.npz``, which holds ``x_train``, ``(N, rows, columns)`` uint8, and
            ``y_train``, ``(N,)``.
        digit: 0 to 9.

    Returns:
        Cases by ``"training"`` and ``"validation"``: ``image``, MetaTensor ``(1, columns, rows)`` float32 in [0, 1] on
        pixels of 1 mm, as a PNG of it would be read; ``cohort``, the digit; ``name``.

    Raises:
        FileNotFoundError: if the file is not there.
        InputError: if it holds something else, `digit` is none, or there are too few images of it.
    """
    if digit not in range(10):
        raise InputError(f"find_digits() expects 'digit' to be a whole number from 0 to 9, got {digit!r}.")
    path = Path(dataset_dir) / FILE
    images, digits = _read(path)
    affine = torch.diag(torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=torch.float64))  # ITK's, in RAS
    found: dict[str, list[Case]] = {"training": [], "validation": []}
    for place in np.flatnonzero(digits == digit).tolist():
        image = torch.from_numpy(np.ascontiguousarray(images[place].T))[None].float() / 255
        found["training" if place % EVERY else "validation"].append(
            {"image": MetaTensor(image, affine=affine), "cohort": digit, "name": f"digit{digit}_{place:05d}"}
        )
    for part, cases in found.items():
        if not cases:
            raise InputError(f"{path} has no image of the digit {digit} for {part}.")
    return found


def _read(path: Path) -> tuple[NDArray, NDArray]:
    existing_file(path, f": give --dataset_dir, the folder with {FILE}")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            images, digits = (arrays[name] for name in ARRAYS)
    except (KeyError, OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read: it is expected to hold the arrays {' and '.join(ARRAYS)}.") from error
    if images.ndim != 3 or images.dtype != np.uint8 or digits.shape != images.shape[:1]:
        raise InputError(
            f"{path} is expected to hold x_train (N, rows, columns) of type uint8 and y_train (N,), "
            f"got {images.shape} of type {images.dtype} and {digits.shape}."
        )
    return images, digits
