"""The slices of cardiac cine MR scans as single cases, paired through time within a slice: de Vos et al., 2017.

MONAI's loaders give a 4-D file whole, once for every slice and time that is wanted of it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray

from common.io import InputError, fit_label, read_nifti

from .cases import Case

IMAGE = "_image.nii.gz"
LABEL = "_endo.nii.gz"


def find_cine_slices(dataset_dir: str | Path, held_out: str | Sequence[str] | None = None) -> dict[str, list[Case]]:
    """Read every slice at every time, and split by patient.

    Args:
        dataset_dir: folder with ``<patient>_image.nii.gz``, ``(x, y, slice, phase)``, and, where there are labels of
            the left ventricle, ``<patient>_endo.nii.gz`` of the same shape; 0 all over a slice means not annotated.
        held_out: patient or patients for validation, by default the last by name; "none" trains on all patients and
            validates on all.

    Returns:
        Cases by ``"training"`` and ``"validation"``: ``image``, MetaTensor ``(1, x, y)`` float32 with the RAS affine
        of the slice, ``(4, 4)``; ``label``, int32, where it is annotated; ``cohort``, patient and slice; ``name``.
        For validation only what is annotated, of slices that are so at two times or more.

    Raises:
        FileNotFoundError: if the folder, a scan in it or a patient is not there.
        InputError: if a file cannot be used, or no patient or annotated slice is left.
    """
    folder = Path(dataset_dir)
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}: give --dataset_dir.")
    patients = sorted(path.name.removesuffix(IMAGE) for path in folder.glob(f"[!.]*{IMAGE}"))
    if not patients:
        raise FileNotFoundError(f"There is no 4-D scan <patient>{IMAGE} in {folder}: give --dataset_dir.")
    training, validation = _split(patients, held_out, folder)
    slices = {patient: _slices(folder, patient) for patient in patients}  # each file is read once
    annotated = [case for patient in validation for case in _annotated(slices[patient])]
    if not annotated:
        raise InputError(f"No slice of {', '.join(validation)} has labels at two times (<patient>{LABEL} in {folder}).")
    return {"training": [case for patient in training for case in slices[patient]], "validation": annotated}


def _split(
    patients: Sequence[str], held_out: str | Sequence[str] | None, folder: Path
) -> tuple[Sequence[str], Sequence[str]]:
    """Patients for training and for validation."""
    if held_out == "none":
        return patients, patients
    held = patients[-1:] if held_out is None else [held_out] if isinstance(held_out, str) else list(held_out)
    if unknown := [patient for patient in held if patient not in patients]:
        raise FileNotFoundError(f"There is no patient {', '.join(unknown)} in {folder}, but {', '.join(patients)}.")
    training = [patient for patient in patients if patient not in held]
    if not training or not held:
        raise InputError(
            f"Training needs a patient and validation another, but of {len(patients)} in {folder} held_out leaves "
            f"{len(training)} for training: give --held_out none to use all of them for both."
        )
    return training, held


def _slices(folder: Path, patient: str) -> list[Case]:
    path, label_path = folder / f"{patient}{IMAGE}", folder / f"{patient}{LABEL}"
    image, affine = _read(path)
    label = _label_on(image, affine, label_path) if label_path.is_file() else np.zeros(image.shape, np.uint8)
    if label.shape != image.shape:
        raise InputError(f"{label_path} is expected to have the shape {image.shape} of its scan, got {label.shape}.")
    cases = []
    for k, t in np.ndindex(image.shape[2:]):
        placed = affine.copy()
        placed[:, 3] = affine @ [0, 0, k, 1]
        case: Case = {"cohort": f"{patient} slice {k}", "name": f"{patient}_slice{k}_phase{t}"}
        case["image"] = _slice(image[:, :, k, t], np.float32, placed)
        if label[:, :, k, t].any():
            case["label"] = _slice(label[:, :, k, t], np.int32, placed)
        cases.append(case)
    return cases


def _read(path: Path) -> tuple[NDArray, NDArray]:
    """Array and RAS affine of a 4-D file."""
    try:
        array, affine = read_nifti(path)
    except Exception as error:  # every damage raises its own kind of error
        raise InputError(f"{path} cannot be read as an image: it is damaged, or no NIfTI.") from error
    if array.ndim != 4:
        raise InputError(f"{path} is expected to be 4-D (x, y, slice, phase), got the shape {array.shape}.")
    if array.dtype.kind not in "buif" or not np.isfinite(array).all():
        raise InputError(f"{path} is expected to hold finite numbers, one per voxel, got {array.dtype}.")
    return array, affine


def _label_on(image: NDArray, affine: NDArray, path: Path) -> NDArray:
    """The labels of a cine, axes as in the cine."""
    label, own = _read(path)
    if not own.any() or not affine.any() or sorted(label.shape[:3]) != sorted(image.shape[:3]):
        return label  # without a place in the world, or not to be turned
    phases_first = np.ascontiguousarray(np.moveaxis(label, -1, 0), np.int32)
    labels = MetaTensor(torch.from_numpy(phases_first), affine=torch.from_numpy(own), meta={"placed": True})
    cine = MetaTensor(torch.empty(image.shape[-1:] + image.shape[:-1]), affine=torch.from_numpy(affine))
    return np.moveaxis(fit_label(labels, cine, path).numpy(), 0, -1)


def _slice(array: NDArray, dtype: type, affine: NDArray) -> MetaTensor:
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(array, dtype))[None], affine=torch.from_numpy(affine))


def _annotated(cases: Sequence[Case]) -> list[Case]:
    """The cases with labels, of slices with two or more such."""
    labeled = [case for case in cases if "label" in case]
    cohorts = [case["cohort"] for case in labeled]
    return [case for case in labeled if cohorts.count(case["cohort"]) > 1]
