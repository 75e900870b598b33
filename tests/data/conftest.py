"""Small data sets in the formats of their owners."""

import locale
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from common.data import lung_pairs
from common.data.lung_sets import Published

SHAPE, SPACING = (12, 10, 8), (2.0, 2.0, 2.5)
VOXELS = np.array([[3, 4, 5], [7, 2, 3], [10, 8, 6]])  # from 1 on
MOVED = VOXELS + np.array([1, 0, -1])
DISTANCE = float(np.hypot(2.0, 2.5))


@pytest.fixture(autouse=True)
def _same_locale() -> Iterator[None]:
    """SimpleITK leaves the process in the locale C after it has written DICOM."""
    before = locale.setlocale(locale.LC_CTYPE)
    yield
    locale.setlocale(locale.LC_CTYPE, before)


class LungSource(NamedTuple):
    folder: Path
    stored: np.ndarray


def text(points: np.ndarray) -> str:
    return "".join("\t".join(f"{value:g}" for value in row) + "\r\n" for row in points)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {1: Published(3, DISTANCE, 0.0, SHAPE, SPACING), 2: Published(3, 9.99, 0.0, SHAPE, SPACING)}
    for name in ("DIRLAB", "COPDGENE", "CREATIS", "POPI"):
        monkeypatch.setattr(lung_pairs, name, known)


@pytest.fixture
def raw_source(tmp_path: Path, published: None) -> Callable[[str, str, str], LungSource]:
    """Raw volumes and landmarks from 1 on: `raw_source(image, points, phase)` with names to format."""
    stored = (np.arange(np.prod(SHAPE)) % 1500).astype("<i2")

    def make(image: str, points: str, phases: str) -> LungSource:
        folder = tmp_path / "source" / "Pack"
        (folder / "ExtremePhases").mkdir(parents=True, exist_ok=True)
        for phase, voxels in zip(phases.split(), (VOXELS, MOVED), strict=True):
            (folder / image.format(phase)).write_bytes(stored.tobytes())
            (folder / "ExtremePhases" / points.format(phase)).write_text(text(voxels))
        return LungSource(tmp_path / "source", stored)

    return make


@pytest.fixture
def metaimage_source(tmp_path: Path, published: None) -> Callable[[str], Path]:
    """Three phases of one patient in a folder, landmarks in mm; those of phase 30 lie in between."""

    def make(patient: str) -> Path:
        folder = tmp_path / "source" / patient
        folder.mkdir(parents=True)
        image = sitk.GetImageFromArray(np.random.default_rng(0).integers(-1000, 100, SHAPE[::-1]).astype(np.int16))
        image.SetSpacing(SPACING)
        image.SetOrigin((-30.0, 12.0, 100.0))
        for phase, share in (("10", 0.0), ("30", 0.4), ("60", 1.0)):
            sitk.WriteImage(image, str(folder / f"{phase}-P.mhd"))
            voxels = VOXELS - 1 + share * (MOVED - VOXELS)
            points = voxels * np.array(SPACING) + np.array(image.GetOrigin())
            (folder / f"{phase}-Landmarks.pts").write_text("#X Y Z\n" + text(points))
        return tmp_path / "source"

    return make


@pytest.fixture
def learn2reg_source(tmp_path: Path) -> Path:
    folder = tmp_path / "source" / "LungCT"
    affine = np.array([[0, -1.75, 0, 4], [1.25, 0, 0, 5], [0, 0, 1.75, 6], [0, 0, 0, 1]])
    for part in ("imagesTr", "keypointsTr"):
        (folder / part).mkdir(parents=True)
    for side, voxels in (("0000", VOXELS - 1), ("0001", MOVED - 1)):
        image = np.random.default_rng(1).integers(-1000, 100, SHAPE).astype(np.int16)
        nib.save(nib.Nifti1Image(image, affine), folder / "imagesTr" / f"LungCT_0003_{side}.nii.gz")
        (folder / "keypointsTr" / f"LungCT_0003_{side}.csv").write_text(text(voxels).replace("\t", ","))
    return tmp_path / "source"
