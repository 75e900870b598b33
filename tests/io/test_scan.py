"""Scans in every format end in one order of axes and one frame."""

import locale
import re
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from common.io import read_scan

SHAPE = (5, 6, 7)
SPACING = np.array([2.0, 3.1, 1.7])
# oblique, axes permuted and flipped
DIRECTION = Rotation.from_euler("zyx", (20, -15, 35), degrees=True).as_matrix()[:, [2, 0, 1]] * [-1, 1, 1]
ORIGIN = np.array([4.0, -30.0, 12.0])  # LPS
AFFINE = np.eye(4)  # RAS
AFFINE[:3, :3] = np.diag([-1, -1, 1]) @ DIRECTION * SPACING
AFFINE[:3, 3] = [-4.0, 30.0, 12.0]
RAMP = np.arange(210).reshape(SHAPE)


def write_itk(path: Path, array: NDArray) -> None:
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T))
    image.SetSpacing(SPACING.tolist())
    image.SetDirection(DIRECTION.ravel().tolist())
    image.SetOrigin(ORIGIN.tolist())
    sitk.WriteImage(image, str(path))


def write_nibabel(path: Path, array: NDArray) -> None:
    image = nib.Nifti1Image(array, AFFINE)
    image.set_qform(AFFINE, code=1)
    image.set_sform(AFFINE, code=1)
    nib.save(image, path)


def write_dicom(folder: Path, array: NDArray, series: int = 1) -> None:
    """One file a slice, in names whose order is not that of the slices."""
    folder.mkdir(exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k in range(array.shape[2]):
        image = sitk.GetImageFromArray(np.ascontiguousarray(array[:, :, k].T))
        image.SetSpacing(SPACING[:2].tolist())
        position = ORIGIN + DIRECTION[:, 2] * SPACING[2] * k
        tags = {
            "0008|0008": "DERIVED\\SECONDARY",
            "0008|0060": "CT",
            "0020|000d": "1.2.826.0.1.3680043.2.1125.1",
            "0020|000e": f"1.2.826.0.1.3680043.2.1125.1.{series}",
            "0008|0018": f"1.2.826.0.1.3680043.2.1125.1.{series}.{k + 1}",
            "0020|0032": "\\".join(f"{value:.8f}" for value in position),
            "0020|0037": "\\".join(f"{value:.8f}" for value in DIRECTION[:, :2].T.ravel()),
            "0020|0013": str(k + 1),
        }
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{series}_{(3 * k) % 7}.dcm"))
        writer.Execute(image)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.nii.gz", write_nibabel),
        ("a.nii", write_nibabel),
        ("a.nii.gz", write_itk),
        ("a.nrrd", write_itk),
        ("a.mha", write_itk),
        ("a.mhd", write_itk),
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_convention_read_scan_gives_voxel_order_and_ras(name: str, write: Callable, dtype: str, tmp_path: Path) -> None:
    array = RAMP.astype(dtype)
    write(tmp_path / name, array)
    scan = read_scan(tmp_path / name)
    assert scan.shape == (1, *SHAPE)
    assert scan.dtype == torch.float32
    assert scan.meta["stored_dtype"] == dtype
    assert scan.affine.dtype == torch.float64
    np.testing.assert_array_equal(scan[0].numpy(), array)
    np.testing.assert_allclose(scan.affine.numpy(), AFFINE, atol=1e-5)


def test_convention_read_scan_of_a_dicom_series(tmp_path: Path) -> None:
    write_dicom(tmp_path / "series", RAMP.astype(np.int16) - 100)
    scan = read_scan(tmp_path / "series")
    assert scan.meta["stored_dtype"] == "int16"
    np.testing.assert_array_equal(scan[0].numpy(), RAMP[:, :, ::-1] - 100)  # sorted along rows x columns
    backwards = np.diag([1.0, 1, -1, 1])
    backwards[2, 3] = SHAPE[2] - 1
    np.testing.assert_allclose(scan.affine.numpy(), AFFINE @ backwards, atol=1e-4)


def test_read_scan_of_a_dicom_series_leaves_the_locale_alone(tmp_path: Path) -> None:
    """Every text file opened later would be ASCII."""
    write_dicom(tmp_path / "series", RAMP.astype(np.int16))
    before = locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    read_scan(tmp_path / "series")
    assert locale.setlocale(locale.LC_CTYPE) == before


def test_read_scan_rejects_a_folder_of_two_series(tmp_path: Path) -> None:
    for series, slices in ((1, 7), (2, 3)):
        write_dicom(tmp_path / "visit", RAMP[:, :, :slices].astype(np.int16), series)
    with pytest.raises(ValueError, match="visit is expected to hold one DICOM series, got 2, of 7 and 3 files"):
        read_scan(tmp_path / "visit")


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_convention_read_scan_in_2d(name: str, tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.ascontiguousarray(RAMP[:, :, 0].T.astype(np.float32)))
    image.SetSpacing((2.0, 3.1))
    image.SetDirection((0.6, 0.8, 0.8, -0.6))
    image.SetOrigin((4.0, -30.0))
    sitk.WriteImage(image, str(tmp_path / name))
    scan = read_scan(tmp_path / name, spatial_dims=2)
    expected = [[-1.2, -2.48, 0, -4], [-1.6, 1.86, 0, 30], [0, 0, 1, 0], [0, 0, 0, 1]]
    np.testing.assert_array_equal(scan[0].numpy(), RAMP[:, :, 0])
    np.testing.assert_allclose(scan.affine.numpy(), np.array(expected), atol=1e-5)


def test_convention_read_scan_trusts_the_sform(tmp_path: Path) -> None:
    """A stale pixdim does not put an undeclared qform in its place."""
    header = nib.Nifti1Header()
    header.set_sform(AFFINE, code=1)
    nib.save(nib.Nifti1Image(RAMP.astype(np.float32), None, header), tmp_path / "a.nii.gz")
    np.testing.assert_allclose(read_scan(tmp_path / "a.nii.gz").affine.numpy(), AFFINE, atol=1e-5)


def test_read_scan_of_a_label_map_keeps_its_numbers(tmp_path: Path) -> None:
    for dtype in ("uint8", "int16", "float32"):
        write_nibabel(tmp_path / "a.nii.gz", RAMP.astype(dtype))
        label = read_scan(str(tmp_path / "a.nii.gz"), label=True)
        assert label.dtype == torch.int32
        assert label.meta["stored_dtype"] == dtype
        np.testing.assert_array_equal(label[0].numpy(), RAMP)


def test_read_scan_applies_the_slope_of_the_header(tmp_path: Path) -> None:
    image = nib.Nifti1Image(RAMP.astype(np.int16), AFFINE)
    image.header.set_slope_inter(0.5, -10)
    nib.save(image, tmp_path / "a.nii.gz")
    raw = np.asarray(nib.Nifti1Image.from_filename(tmp_path / "a.nii.gz").dataobj)
    np.testing.assert_allclose(read_scan(tmp_path / "a.nii.gz")[0].numpy(), raw, atol=1e-4)


def test_read_scan_of_a_constant_label_map(tmp_path: Path) -> None:
    write_nibabel(tmp_path / "a.nii.gz", np.ones(SHAPE, np.uint8))
    assert read_scan(tmp_path / "a.nii.gz", label=True).unique().tolist() == [1]


def test_read_scan_drops_trailing_axes_of_one(tmp_path: Path) -> None:
    write_nibabel(tmp_path / "a.nii.gz", RAMP[..., None, None].astype(np.float32))
    assert read_scan(tmp_path / "a.nii.gz").shape == (1, *SHAPE)
    write_nibabel(tmp_path / "b.nii.gz", RAMP[:, :, :1].astype(np.float32))
    assert read_scan(tmp_path / "b.nii.gz").shape == (1, 5, 6, 1)
    assert read_scan(tmp_path / "b.nii.gz", spatial_dims=2).shape == (1, 5, 6)


@pytest.mark.parametrize("name", ["absent.nii.gz", "absent"])
def test_read_scan_rejects_a_missing_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf"There is no file .*{name}\."):
        read_scan(tmp_path / name)


@pytest.mark.parametrize("name", ["a.mhd", "a.nhdr"])
def test_read_scan_names_the_missing_file_of_the_voxels(name: str, tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(RAMP.astype(np.float32)), str(tmp_path / name))
    for voxels in tmp_path.glob("a.*raw"):
        voxels.unlink()
    with pytest.raises(FileNotFoundError, match=rf"There is no file .*a\.z?raw, which .*{name} names"):
        read_scan(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.mha", "a.nrrd", "a.txt"])
def test_read_scan_rejects_what_is_no_image(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("no image")
    with pytest.raises(ValueError, match=f"{name} cannot be read as an image"):
        read_scan(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii", "a.mha", "a.nrrd"])
def test_read_scan_rejects_a_truncated_file(name: str, tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    write_itk(tmp_path / name, array)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: 2 * len(content) // 3])
    with pytest.raises(ValueError, match=f"{name} cannot be read as an image: it is damaged"):
        read_scan(tmp_path / name)


def test_read_scan_rejects_a_folder_without_dicom(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no slice")
    with pytest.raises(ValueError, match="cannot be read as an image"):
        read_scan(tmp_path)


def altered(value: float) -> NDArray:
    array = RAMP.astype(np.float32)
    array[1, 2, 3] = value
    return array


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (RAMP[:, :, 0].astype(np.float32), r"expected to be a 3-D scan, got the shape \(5, 6\): set spatial_dims to 2"),
        (
            np.ones((5, 6, 7, 2), np.float32),
            r"a 3-D scan, got the shape \(5, 6, 7, 2\): if its last axis is time, choose one of 2 phases with fixed_p",
        ),
        (np.ones((5, 6, 7, 2, 3), np.float32), r"expected to be a 3-D scan, got the shape \(5, 6, 7, 2, 3\)\.$"),
        (np.full(SHAPE, 7, np.uint8), "is constant: every voxel is 7, there is nothing to register"),
        (altered(np.nan), "holds NaN or infinite values"),
        (altered(np.inf), "holds NaN or infinite values"),
        (RAMP.astype(np.complex64), "one number per voxel, got the type complex64"),
        (np.ones(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")]), "one number per voxel, got the type"),
    ],
)
def test_read_scan_rejects_values(array: NDArray, message: str, tmp_path: Path) -> None:
    write_nibabel(tmp_path / "a.nii.gz", array)
    with pytest.raises(ValueError, match=message):
        read_scan(tmp_path / "a.nii.gz")


def test_read_scan_rejects_an_empty_scan(tmp_path: Path) -> None:
    write_nibabel(tmp_path / "a.nii", np.zeros((0, 6, 7), np.float32))
    with pytest.raises(ValueError, match=r"a\.nii is empty: its shape is \(0, 6, 7\)"):
        read_scan(tmp_path / "a.nii")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (
            SHAPE,
            r"\(5, 6, 7\): for all of its slices set spatial_dims to 3; if its last axis is time, choose one of 7 ph",
        ),
        ((*SHAPE, 2), r"\(5, 6, 7, 2\): for all of its slices set spatial_dims to 3\.$"),
    ],
)
def test_read_scan_rejects_more_dimensions_where_two_are_wanted(
    shape: tuple[int, ...], message: str, tmp_path: Path
) -> None:
    write_nibabel(tmp_path / "a.nii.gz", np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match=f"expected to be a 2-D scan, got the shape {message}"):
        read_scan(tmp_path / "a.nii.gz", spatial_dims=2)


CINE = np.arange(5 * 6 * 7 * 3, dtype=np.int16).reshape(*SHAPE, 3)


def write_itk_cine(path: Path, array: NDArray) -> None:
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.T), isVector=False)
    image.SetSpacing((*SPACING.tolist(), 40.0))
    direction = np.eye(4)
    direction[:3, :3] = DIRECTION
    image.SetDirection(direction.ravel().tolist())
    image.SetOrigin((*ORIGIN.tolist(), 0.0))
    sitk.WriteImage(image, str(path))


@pytest.mark.parametrize(
    ("name", "write"), [("a.nii.gz", write_nibabel), ("a.nrrd", write_itk_cine), ("a.mha", write_itk_cine)]
)
def test_convention_read_scan_takes_one_phase(name: str, write: Callable, tmp_path: Path) -> None:
    write(tmp_path / name, CINE)
    for phase in (0, 2):
        scan = read_scan(tmp_path / name, phase=phase)
        np.testing.assert_array_equal(scan[0].numpy(), CINE[..., phase])
        np.testing.assert_allclose(scan.affine.numpy(), AFFINE, atol=1e-5)


def test_read_scan_takes_a_file_without_time_as_it_is(tmp_path: Path) -> None:
    write_nibabel(tmp_path / "a.nii.gz", RAMP.astype(np.uint8))
    assert read_scan(tmp_path / "a.nii.gz", label=True, phase=4).shape == (1, *SHAPE)


@pytest.mark.parametrize("array", [CINE[:, :, 0], CINE[:, :, :1]])
def test_read_scan_takes_one_phase_in_2d(array: NDArray, tmp_path: Path) -> None:
    """NIfTI has time as the fourth axis, behind a third one of length one."""
    write_nibabel(tmp_path / "a.nii.gz", array)
    np.testing.assert_array_equal(read_scan(tmp_path / "a.nii.gz", 2, phase=1)[0].numpy(), CINE[:, :, 0, 1])


@pytest.mark.parametrize("phase", [3, -1])
def test_read_scan_rejects_a_phase_out_of_range(phase: int, tmp_path: Path) -> None:
    write_nibabel(tmp_path / "a.nii.gz", CINE)
    with pytest.raises(ValueError, match=rf"a\.nii\.gz has the phases 0 to 2, there is no phase {phase}\."):
        read_scan(tmp_path / "a.nii.gz", phase=phase)


PICTURE = RAMP[:, :, 0].astype(np.uint8)  # (x, y)
UNPLACED = np.diag([-1.0, -1, 1, 1])


def write_picture(path: Path, array: NDArray) -> None:
    """Rows are y; the last axis of three is color."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array.swapaxes(0, 1)), isVector=array.ndim == 3)
    image.SetSpacing((0.3, 0.3))  # TIFF and JPEG keep it as dots per inch
    sitk.WriteImage(image, str(path))


@pytest.mark.parametrize("name", ["a.png", "a.PNG", "a.tif", "a.tiff", "a.bmp", "a.jpg", "a.jpeg"])
def test_convention_read_scan_of_a_picture(name: str, tmp_path: Path) -> None:
    write_picture(tmp_path / name, PICTURE)
    scan = read_scan(tmp_path / name, spatial_dims=2)
    assert scan.meta["stored_dtype"] == "uint8"
    np.testing.assert_allclose(scan[0].numpy(), PICTURE, atol=3 if "jp" in name else 0)
    np.testing.assert_array_equal(scan.affine.numpy(), UNPLACED)
    header = sitk.ReadImage(str(tmp_path / name))  # ITK's own frame, but for the spacing
    assert header.GetOrigin() == (0, 0)
    assert header.GetDirection() == (1, 0, 0, 1)


@pytest.mark.parametrize(
    ("spacing", "told"), [((0.5, 0.7), "0.5 x 0.7 mm"), ((1.0, 1.0), ""), ((25.4 / 72, 25.4 / 72), "")]
)
def test_read_scan_tells_what_a_picture_says_of_its_pixels(
    spacing: tuple[float, float], told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = sitk.GetImageFromArray(np.ascontiguousarray(PICTURE.T))
    image.SetSpacing(spacing)
    sitk.WriteImage(image, str(tmp_path / "a.png"))
    read_scan(tmp_path / "a.png", spatial_dims=2)
    assert bool(caplog.text) == bool(told)
    assert told in caplog.text


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_read_scan_of_a_picture_keeps_its_depth(dtype: str, tmp_path: Path) -> None:
    write_picture(tmp_path / "a.tif", RAMP[:, :, 0].astype(dtype) * 50)
    scan = read_scan(tmp_path / "a.tif", spatial_dims=2)
    assert scan.meta["stored_dtype"] == dtype
    np.testing.assert_array_equal(scan[0].numpy(), RAMP[:, :, 0] * 50)


@pytest.mark.parametrize("channels", [3, 4])
def test_read_scan_takes_the_luminance_of_a_color_picture(channels: int, tmp_path: Path) -> None:
    color = np.random.default_rng(0).integers(0, 256, (5, 6, channels), dtype=np.uint8)
    write_picture(tmp_path / "a.png", color)
    scan = read_scan(tmp_path / "a.png", spatial_dims=2)
    red, green, blue = np.moveaxis(color.astype(float), 2, 0)[:3]
    np.testing.assert_array_equal(scan[0].numpy(), np.rint(0.2126 * red + 0.7152 * green + 0.0722 * blue))
    assert scan.meta["stored_dtype"] == "uint8"


def test_read_scan_of_a_label_map_in_colors(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", np.stack([PICTURE] * 3, axis=-1))
    np.testing.assert_array_equal(read_scan(tmp_path / "a.png", 2, label=True)[0].numpy(), PICTURE)
    write_picture(tmp_path / "a.png", np.stack([PICTURE, PICTURE, 0 * PICTURE], axis=-1))
    with pytest.raises(ValueError, match=r"a\.png is expected to be a label map, got a color picture: save the labels"):
        read_scan(tmp_path / "a.png", 2, label=True)


@pytest.mark.parametrize("dims", [2, 3])
def test_convention_read_scan_of_an_array_keeps_its_axes(dims: int, tmp_path: Path) -> None:
    array = RAMP[:, :, 0] if dims == 2 else RAMP
    np.save(tmp_path / "a.npy", array.astype(np.float64))
    scan = read_scan(tmp_path / "a.npy", dims)
    np.testing.assert_array_equal(scan[0].numpy(), array)
    np.testing.assert_array_equal(scan.affine.numpy(), UNPLACED)


def test_read_scan_never_unpickles(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"a\.npy cannot be read as an image"):
        read_scan(tmp_path / "a.npy")


@pytest.mark.parametrize(("label", "stored"), [(False, "float32"), (True, "int32")])
def test_read_scan_names_a_type_that_can_be_written(label: bool, stored: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", RAMP.astype(np.int64))
    assert read_scan(tmp_path / "a.npy", label=label).meta["stored_dtype"] == stored


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_read_scan_rejects_a_truncated_picture(name: str, tmp_path: Path) -> None:
    write_picture(tmp_path / name, np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8))
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: 2 * len(content) // 3])
    with pytest.raises(ValueError, match=f"{name} cannot be read as an image: it is damaged"):
        read_scan(tmp_path / name, spatial_dims=2)


def test_read_scan_rejects_a_fractional_label_map(tmp_path: Path) -> None:
    write_nibabel(tmp_path / "a.nii.gz", altered(1.5))
    with pytest.raises(ValueError, match="expected to be a label map, got values that are not whole numbers"):
        read_scan(tmp_path / "a.nii.gz", label=True)


@pytest.mark.parametrize(
    ("affine", "dims"),
    [
        (np.diag([1.0, 1, 0, 1]), 3),
        (np.array([[1.0, 2, 0, 0], [2, 4, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), 3),
        (np.full((4, 4), np.nan), 3),
        (np.zeros((4, 4)), 3),
        (np.array([[0.0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]), 2),  # a sagittal slice
    ],
)
def test_read_scan_rejects_a_singular_affine(affine: NDArray, dims: int, tmp_path: Path) -> None:
    header = nib.Nifti1Header()
    header.set_sform(affine, code=1)
    array = RAMP.astype(np.float32)
    nib.save(nib.Nifti1Image(array if dims == 3 else array[:, :, :1], None, header), tmp_path / "a.nii.gz")
    with pytest.raises(ValueError, match=r"a\.nii\.gz has a singular or no affine"):
        read_scan(tmp_path / "a.nii.gz", dims)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.nii.gz"])
@pytest.mark.parametrize(("dtype", "stored"), [("int8", "int8"), ("int64", "int32"), ("uint64", "int32")])
def test_read_scan_takes_all_whole_numbers(name: str, dtype: str, stored: str, tmp_path: Path) -> None:
    """ITK's Python has no type for some of them."""
    array = np.where(RAMP < 100, RAMP, 120).astype(dtype)
    write_itk(tmp_path / name, array)
    label = read_scan(tmp_path / name, label=True)
    np.testing.assert_array_equal(label[0].numpy(), array)
    assert label.meta["stored_dtype"] == stored
    np.testing.assert_array_equal(read_scan(tmp_path / name)[0].numpy(), array)


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.nii.gz"])
@pytest.mark.parametrize(
    ("dtype", "value"),
    [("uint32", 3_000_000_000), ("int64", -(2**31)), ("uint64", 720575940621280688), ("float64", 1e300)],
)
def test_read_scan_refuses_labels_beyond_32_bits(name: str, dtype: str, value: float, tmp_path: Path) -> None:
    write_itk(tmp_path / name, np.where(RAMP == 5, value, 0).astype(dtype))
    with pytest.raises(ValueError, match=rf"{name} is expected to hold labels up to 2147483647, got -?[\d.e+]+\."):
        read_scan(tmp_path / name, label=True)


@pytest.mark.parametrize("dtype", ["int32", "float64"])
def test_read_scan_keeps_large_labels(dtype: str, tmp_path: Path) -> None:
    array = np.where(RAMP < 100, 2**31 - 1, 614454277).astype(dtype)
    write_nibabel(tmp_path / "a.nii.gz", array)
    label = read_scan(tmp_path / "a.nii.gz", label=True)
    np.testing.assert_array_equal(label[0].numpy(), array)
    assert label.meta["stored_dtype"] == "int32"  # single precision could not hold them


@pytest.mark.parametrize(("dtype", "value"), [("float64", 1e300), ("float32", 1e38), ("int64", 2**63 - 1)])
def test_read_scan_refuses_intensities_beyond_single_precision(dtype: str, value: float, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.where(RAMP == 5, value, RAMP).astype(dtype))
    with pytest.raises(ValueError, match=r"a\.npy is expected to hold intensities up to 1e\+15, got [\d.e+]+\."):
        read_scan(tmp_path / "a.npy")


def test_read_scan_refuses_what_single_precision_cannot_tell_apart(tmp_path: Path) -> None:
    scan = np.linspace(0, 300, 24).reshape(2, 3, 4)
    np.save(tmp_path / "a.npy", scan + 1e6)
    read_scan(tmp_path / "a.npy", 3)
    np.save(tmp_path / "a.npy", scan + 1e9)  # steps of 64
    with pytest.raises(ValueError, match=r"a\.npy holds values from 1000000000\.0 to 1000000300\.0, which single"):
        read_scan(tmp_path / "a.npy", 3)


def test_read_scan_refuses_what_is_constant_in_single_precision(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", 1 + 1e-12 * RAMP)
    with pytest.raises(ValueError, match=r"a\.npy is constant: every voxel is 1\.0"):
        read_scan(tmp_path / "a.npy")


@pytest.mark.parametrize("name", ["a.nrrd", "a.mha", "a.seg.nrrd"])
def test_read_scan_refuses_several_numbers_a_voxel(name: str, tmp_path: Path) -> None:
    image = sitk.GetImageFromArray(np.stack([RAMP.T] * 3, axis=-1).astype(np.uint8), isVector=True)
    sitk.WriteImage(image, str(tmp_path / name))
    with pytest.raises(
        ValueError, match=rf"{name} is expected to hold one number per voxel, got 3, components of a vector"
    ):
        read_scan(tmp_path / name)


def test_read_scan_refuses_vectors_in_nifti(tmp_path: Path) -> None:
    write_nibabel(tmp_path / "a.nii.gz", np.zeros((*SHAPE, 1, 3), np.float32))
    with pytest.raises(
        ValueError, match=r"got the shape \(5, 6, 7, 1, 3\): its last axis are the 3 components of a vector"
    ):
        read_scan(tmp_path / "a.nii.gz")


def test_read_scan_names_what_one_label_each_can_become(tmp_path: Path) -> None:
    write_nibabel(tmp_path / "a.nii.gz", np.zeros((*SHAPE, 2), np.uint8))
    with pytest.raises(ValueError, match=r"if it holds one label each, save one map of numbers\.$"):
        read_scan(tmp_path / "a.nii.gz", label=True)


@pytest.mark.parametrize(
    ("length", "message"),
    [
        (5e6, "voxels from 1e-05 to 1000 mm, got 5e+06 x 1 x 5 mm"),
        (5e3, "voxels from"),
        (1e-3, "voxels at most 1000 times"),
    ],
)
def test_read_scan_refuses_a_world_no_scan_lies_in(length: float, message: str, tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(RAMP.astype(np.float32), np.diag([length, 1, 5, 1])), tmp_path / "a.nii.gz")
    with pytest.raises(ValueError, match=re.escape(f"a.nii.gz is expected to have {message}")):
        read_scan(tmp_path / "a.nii.gz")
