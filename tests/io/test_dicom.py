"""A folder of DICOM slices is one volume, placed as its slices say, or it is refused by what is wrong."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from numpy.typing import NDArray

from common.io import read_scan
from common.io.dicom import read_series

SHAPE = (5, 6, 7)
RAMP = np.arange(210, dtype=np.int16).reshape(SHAPE)
SPACING = np.array([2.0, 3.0])
TILTED = np.array([[2.0, 0, 0, 4], [0, 2.4, 0, -30], [0, -1.8, 5, 12], [0, 0, 0, 1]])  # LPS: columns lean, slices not
UID = "1.2.826.0.1.3680043.2.1125.1"
WRITTEN = [f"{k:02}.dcm" for k in range(7)]


def write_slice(path: Path, pixels: NDArray, position: Any, axes: NDArray = TILTED[:3, :2], **tags: Any) -> None:
    image = sitk.GetImageFromArray(np.ascontiguousarray(pixels.T))
    spacing = np.linalg.norm(axes, axis=0)
    image.SetSpacing(spacing.tolist())
    values = {
        "0008|0060": "CT",
        "0020|000d": UID,
        "0020|000e": tags.pop("series", f"{UID}.1"),
        "0008|0018": f"{UID}.{abs(hash(path)) % 10**9}",
        "0020|0032": "\\".join(f"{value:.6f}" for value in position),
        "0020|0037": "\\".join(f"{value:.6f}" for value in (axes / spacing).T.ravel()),
    }
    for tag, value in values.items():
        image.SetMetaData(tag, value)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    writer.SetFileName(str(path))
    writer.Execute(image)


def write_series(folder: Path, steps: Sequence[float] = range(7), **tags: Any) -> Path:
    """Slices of a tilted gantry, at the given numbers of steps."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, step in enumerate(steps):
        position = TILTED[:3, 3] + step * TILTED[:3, 2]
        write_slice(folder / f"{k:02}.dcm", RAMP[:, :, k % 7], position, **tags)
    return folder


def test_convention_a_tilted_gantry_stays_tilted(tmp_path: Path) -> None:
    array, affine = read_series(write_series(tmp_path / "ct"))
    np.testing.assert_array_equal(array, RAMP)
    np.testing.assert_allclose(affine, np.diag([-1, -1, 1, 1]) @ TILTED, atol=1e-5)
    for k in (0, 6):  # where each file itself says its slice lies
        itself = np.array(sitk.ReadImage(str(tmp_path / "ct" / WRITTEN[k])).GetOrigin()) * [-1, -1, 1]
        np.testing.assert_allclose(affine @ [0, 0, k, 1], [*itself, 1], atol=1e-5)


@pytest.mark.parametrize("inside", ["visit/series", "series"])
def test_a_series_in_a_subfolder_is_found(inside: str, tmp_path: Path) -> None:
    write_series(tmp_path / "patient" / inside)
    (tmp_path / "patient" / "notes.txt").write_text("no slice")
    np.testing.assert_array_equal(read_series(tmp_path / "patient")[0], RAMP)


def test_slices_are_read_by_their_own_slopes(tmp_path: Path) -> None:
    """Of PET each slice has one: ITK's reader of series takes the type of the first slice for all."""
    folder = write_series(tmp_path / "pet")
    for k, slope in enumerate(["1", "0.5", "0.25"]):
        image = sitk.ReadImage(str(folder / WRITTEN[k]))
        raw = sitk.GetImageFromArray(sitk.GetArrayFromImage(image)[0].astype(np.float64) * float(slope))
        raw.CopyInformation(image[:, :, 0])
        for key in image.GetMetaDataKeys():
            raw.SetMetaData(key, image.GetMetaData(key))
        raw.SetMetaData("0028|1053", slope)
        raw.SetMetaData("0028|1052", "0")
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(folder / WRITTEN[k]))
        writer.Execute(raw)
    expected = RAMP.astype(float)
    expected[:, :, 1] *= 0.5
    expected[:, :, 2] *= 0.25
    np.testing.assert_allclose(read_series(folder)[0], expected)


@pytest.mark.parametrize("steps", [(0, 1, 2.02, 3, 4, 5, 6), (0, 1.01, 2.02, 3.02, 4.03, 5.04, 6.05)])
def test_positions_are_rounded(steps: tuple[float, ...], tmp_path: Path) -> None:
    """By up to 0.1 mm, of steps of 4 mm."""
    read_series(write_series(tmp_path / "ct", steps))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (
            (0, 1, 2, 3, 6, 7, 8),
            "lacks slices, or is unevenly spaced: from 03.dcm to 04.dcm it is 12 mm, .* 7 slices 4 mm",
        ),
        ((0, 1, 2, 3, 4.03, 5.03, 6.03), "lacks slices, or is unevenly spaced: from 03.dcm to 04.dcm it is 4.12 mm"),
        ((0, 0.5, 1, 2, 3, 4, 5), "lacks slices, or is unevenly spaced: from 0.*dcm it is 2 mm"),
        ((0, 1, 2, 2, 3, 4, 5), "1 of its 7 files lie where another one does, 03.dcm where 02.dcm does: keep one"),
        (
            (*range(7), *range(7)),
            "7 of its 14 files lie where another one does, 07.dcm where 00.dcm does: keep one time",
        ),
        ((0, 0), "1 of its 2 files lie where another one does"),
    ],
)
def test_slices_that_are_no_volume_are_refused(steps: tuple[float, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"ct .*{message}"):
        read_scan(write_series(tmp_path / "ct", steps))


def test_a_scout_in_the_series_is_named(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "ct")
    write_slice(folder / "scout.dcm", RAMP[:, :, 0], (0, 0, 0), np.array([[2.0, 0], [0, 0], [0, -3.0]]))
    with pytest.raises(ValueError, match=r"hold one volume, but of its 8 files scout\.dcm differ in size or direction"):
        read_scan(folder)


@pytest.mark.parametrize("pixels", [RAMP[:, :5, 0], RAMP[:4, :, 0]])
def test_slices_of_another_size_are_named(pixels: NDArray, tmp_path: Path) -> None:
    folder = write_series(tmp_path / "ct")
    write_slice(folder / WRITTEN[6], pixels, TILTED[:3, 3] + 6 * TILTED[:3, 2])
    with pytest.raises(ValueError, match=r"but of its 7 files 06\.dcm differ in size or direction"):
        read_scan(folder)


def test_a_slice_that_lies_beside_the_others_is_named(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "ct")
    write_slice(folder / WRITTEN[3], RAMP[:, :, 3], TILTED[:3, 3] + 3 * TILTED[:3, 2] + [20, 0, 0])
    with pytest.raises(ValueError, match=r"slices on a line, but 03\.dcm lies 20 mm away"):
        read_scan(folder)


@pytest.mark.parametrize("left", [0.5, 0.99, 0.1, 0.0])
def test_a_truncated_slice_is_named(left: float, tmp_path: Path) -> None:
    folder = write_series(tmp_path / "ct")
    content = (folder / WRITTEN[4]).read_bytes()
    (folder / WRITTEN[4]).write_bytes(content[: int(left * len(content))])
    with pytest.raises(ValueError, match=r"04\.dcm cannot be read as a DICOM image: it is damaged"):
        read_scan(folder)


def test_several_series_are_counted(tmp_path: Path) -> None:
    write_series(tmp_path / "visit" / "one")
    write_series(tmp_path / "visit" / "two", range(3), series=f"{UID}.2")
    with pytest.raises(ValueError, match="visit is expected to hold one DICOM series, got 2, of 7 and 3 files"):
        read_scan(tmp_path / "visit")


def test_a_folder_without_dicom_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read as an image: there is no DICOM image in it"):
        read_scan(tmp_path)
