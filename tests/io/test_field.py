"""Displacement fields in files: what is refused. What is written and read is pinned in conventions/test_world.py."""

import errno
import re
from pathlib import Path

import itk
import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch

from common.io import Field, read_field, write_field
from common.spatial import Grid, ras_to_lps

FIELD = Field(
    torch.arange(630.0).reshape(1, 3, 5, 6, 7), Grid((5, 6, 7), torch.diag(torch.tensor([-2.0, 3, 1, 1]).double()))
)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nii"])
def test_write_field_then_read_field_is_the_same(name: str, tmp_path: Path) -> None:
    write_field(tmp_path / name, FIELD)
    read = read_field(str(tmp_path / name))
    assert torch.equal(read.displacement, FIELD.displacement)
    assert read.displacement.dtype == torch.float32
    torch.testing.assert_close(read.grid.affine, FIELD.grid.affine)


def test_write_field_puts_a_slice_in_its_place(tmp_path: Path) -> None:
    place = torch.diag(torch.tensor([-2.0, 3, 8, 1])).double()
    place[2, 3] = 50
    field = Field(torch.rand(1, 2, 5, 6), Grid((5, 6), torch.diag(torch.tensor([-2.0, 3, 1]).double())), place)
    write_field(tmp_path / "a.nii.gz", field)
    np.testing.assert_allclose(nib.load(tmp_path / "a.nii.gz").affine, place.numpy())
    read = read_field(tmp_path / "a.nii.gz")
    assert torch.equal(read.displacement, field.displacement)
    torch.testing.assert_close(read.grid.affine, field.grid.affine)
    assert read.place is not None
    assert torch.equal(read.place, place)
    write_field(tmp_path / "a.nii.gz", Field(field.displacement, field.grid))
    assert read_field(tmp_path / "a.nii.gz").place is None


def test_a_field_of_one_oblique_slice_keeps_its_place(tmp_path: Path) -> None:
    """ITK reads such a file as a 2-D image of 3-D vectors."""
    affine = torch.tensor([[0.1, 0.2, 8, 5], [1.4, 0.1, 0, 6], [0.1, -1.4, 0, 7], [0, 0, 0, 1]]).double()
    field = Field(torch.rand(1, 3, 5, 6, 1), Grid((5, 6, 1), affine))
    write_field(tmp_path / "a.nii.gz", field)
    read = read_field(tmp_path / "a.nii.gz")
    assert torch.equal(read.displacement, field.displacement)
    assert read.grid.shape == (5, 6, 1)
    torch.testing.assert_close(read.grid.affine, affine, atol=1e-5, rtol=0)


def test_a_field_on_a_sheared_grid_keeps_its_place(tmp_path: Path) -> None:
    """ITK does not open such a file."""
    affine = torch.tensor([[-2, 0, 0, 5], [0, -2, 0.6, 6], [0, 0, 3, 7], [0, 0, 0, 1]]).double()
    write_field(tmp_path / "a.nii.gz", Field(FIELD.displacement, Grid((5, 6, 7), affine)))
    read = read_field(tmp_path / "a.nii.gz")
    assert torch.equal(read.displacement, FIELD.displacement)
    torch.testing.assert_close(read.grid.affine, affine, atol=1e-6, rtol=0)
    write_field(tmp_path / "a.nii", Field(FIELD.displacement, Grid((5, 6, 7), affine)))
    (tmp_path / "a.nii").write_bytes((tmp_path / "a.nii").read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"a\.nii cannot be read as a displacement field"):
        read_field(tmp_path / "a.nii")


def test_read_field_reads_itks_world(tmp_path: Path) -> None:
    """A vector that ITK's own writer puts at voxel (1, 2, 3) is found there, in the same world."""
    vectors = np.zeros((7, 6, 5, 3), np.float32)
    vectors[3, 2, 1] = [1, 2, 3]
    image = sitk.GetImageFromArray(vectors, isVector=True)
    image.SetOrigin((10.0, 20.0, 30.0))
    image.SetSpacing((2.0, 3.0, 4.0))
    sitk.WriteImage(image, str(tmp_path / "a.mha"))
    field = read_field(tmp_path / "a.mha")
    assert field.displacement.shape == (1, 3, 5, 6, 7)
    assert field.displacement[0, :, 1, 2, 3].tolist() == [1, 2, 3]
    expected = [[-2, 0, 0, -10], [0, -3, 0, -20], [0, 0, 4, 30], [0, 0, 0, 1]]
    torch.testing.assert_close(field.grid.affine, torch.tensor(expected).double())


def test_read_field_reads_a_2d_field_in_a_3d_file(tmp_path: Path) -> None:
    vectors = np.zeros((1, 6, 5, 2), np.float32)
    vectors[0, 2, 1] = [1, 2]
    image = sitk.GetImageFromArray(vectors, isVector=True)
    image.SetOrigin((10.0, 20.0, 30.0))
    image.SetSpacing((2.0, 3.0, 4.0))
    sitk.WriteImage(image, str(tmp_path / "a.mha"))
    field = read_field(tmp_path / "a.mha")
    assert field.displacement.shape == (1, 2, 5, 6)
    assert field.displacement[0, :, 1, 2].tolist() == [1, 2]
    assert field.grid.affine.tolist() == [[-2, 0, -10], [0, -3, -20], [0, 0, 1]]


def test_read_field_rejects_a_header_without_a_place(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.zeros((5, 6, 7, 1, 3), np.float32), None)
    image.header.set_intent(1007)
    nib.save(image, tmp_path / "a.nii.gz")
    with pytest.raises(ValueError, match=r"a\.nii\.gz has no affine: its header does not say where the vectors lie"):
        read_field(tmp_path / "a.nii.gz")


def test_read_field_warns_of_a_header_with_two_places(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    image = nib.Nifti1Image(np.zeros((5, 6, 7, 1, 3), np.float32), np.diag([2.0, 2, 2, 1]))
    image.header.set_intent(1007)
    image.set_sform(np.diag([2.0, 2, 2, 1]), 2)
    image.set_qform(np.diag([-2.0, -2, 2, 1]), 1)
    nib.save(image, tmp_path / "a.nii.gz")
    with caplog.at_level("WARNING", logger="common"):
        field = read_field(tmp_path / "a.nii.gz")
    assert "a.nii.gz puts its voxels at two places, up to 25.6 mm apart" in caplog.text
    itks = itk.imread(str(tmp_path / "a.nii.gz"), itk.VariableLengthVector[itk.F])
    direction = np.asarray(itk.array_from_matrix(itks.GetDirection()))
    np.testing.assert_allclose(ras_to_lps(field.grid.affine).numpy()[:3, :3], direction * 2, atol=1e-5)


def test_read_field_rejects_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no file .*absent\.nii\.gz"):
        read_field(tmp_path / "absent.nii.gz")


@pytest.mark.parametrize("name", ["a.nii.gz", "a.mha", "a.txt"])
def test_read_field_rejects_what_is_no_image(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("no image")
    with pytest.raises(ValueError, match=f"{name} cannot be read as a displacement field"):
        read_field(tmp_path / name)


@pytest.mark.parametrize(
    ("array", "is_vector", "message"),
    [
        (np.ones((7, 6, 5), np.float32), False, r"one vector per voxel, got an array of shape \(7, 6, 5, 1\)"),
        (np.ones((7, 6, 5, 5), np.float32), True, r"one vector per voxel, got an array of shape \(7, 6, 5, 5\)"),
        (np.ones((6, 5, 3), np.float32), True, r"one vector per voxel, got an array of shape \(6, 5, 3\)"),
        (np.ones((7, 6, 5, 2), np.float32), True, "one vector per voxel, got 2 numbers in 3-D"),
        (np.full((7, 6, 5, 3), np.nan, np.float32), True, "holds NaN or infinite displacements"),
        (np.full((7, 6, 5, 3), np.inf, np.float32), True, "holds NaN or infinite displacements"),
    ],
)
def test_read_field_rejects_other_images(array: np.ndarray, is_vector: bool, message: str, tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(array, isVector=is_vector), str(tmp_path / "a.mha"))
    with pytest.raises(ValueError, match=message):
        read_field(tmp_path / "a.mha")


def write_random(path: Path, compressed: bool = False) -> bytes:
    vectors = np.random.default_rng(0).normal(size=(7, 6, 5, 3)).astype(np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(vectors, isVector=True), str(path), compressed)
    return path.read_bytes()


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.mha", "c.mha", "a.nrrd", "c.nrrd"])
@pytest.mark.parametrize("missing", [0.0, 0.02, 0.5])
def test_read_field_rejects_a_file_cut_short(name: str, missing: float, tmp_path: Path) -> None:
    content = write_random(tmp_path / name, name.startswith("c"))
    read_field(tmp_path / name)
    (tmp_path / name).write_bytes(content[: -max(1, int(missing * len(content)))])
    with pytest.raises(ValueError, match=f"{name} cannot be read as a displacement field: .*damaged"):
        read_field(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nii.gz", "c.mha", "c.nrrd"])
def test_read_field_compares_the_checksum(name: str, tmp_path: Path) -> None:
    content = bytearray(write_random(tmp_path / name, True))
    content[-600] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} cannot be read as a displacement field: it is damaged"):
        read_field(tmp_path / name)


def test_read_field_rejects_formats_it_cannot_check(tmp_path: Path) -> None:
    write_random(tmp_path / "a.vtk")
    with pytest.raises(ValueError, match=r"a\.vtk cannot be read .*: its name is expected to end in one of \.nii\.gz,"):
        read_field(tmp_path / "a.vtk")


@pytest.mark.parametrize(
    ("intent", "name", "shape", "message"),
    [
        *[(code, "", (5, 6, 7, 3), "a transform of FSL") for code in (2006, 2007, 2008, 2009, 2016)],
        (1007, "NREG_TRANS", (5, 6, 7, 1, 3), "a transform of NiftyReg"),
        (1007, "Mapping", (5, 6, 7, 1, 3), "a transform of SPM"),
    ],
)
def test_read_field_rejects_transforms_of_other_programs(
    intent: int, name: str, shape: tuple[int, ...], message: str, tmp_path: Path
) -> None:
    image = nib.Nifti1Image(np.ones(shape, np.float32), np.eye(4))
    image.header["intent_code"], image.header["intent_name"] = intent, name
    nib.save(image, tmp_path / "a.nii.gz")
    with pytest.raises(ValueError, match=rf"a\.nii\.gz is {message}, .* are expected, .*: convert it"):
        read_field(tmp_path / "a.nii.gz")


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(
    ("entry", "value"),
    [
        *[("NDims", value) for value in ("-1", "0", "99999", "1", "4", "x", "")],
        *[("DimSize", value) for value in ("5 6", "5 6 7 8", "0 6 7", "-5 6 7", "50000 50000 9", "5 6 70", "x y z")],
        *[("ElementNumberOfChannels", value) for value in ("0", "-3", "1000000", "2", "x")],
        *[("ElementType", value) for value in ("MET_DOUBLE", "MET_UCHAR", "MET_FOO", "")],
        *[("ElementDataFile", value) for value in ("LIST", "absent.raw", "")],
        ("ElementSpacing", "1 1"),
        ("TransformMatrix", "nan 0 0 0 1 0 0 0 1"),
        ("Offset", "x"),
        ("ObjectType", "Tube"),
        ("BinaryData", "False"),
    ],
)
def test_read_field_rejects_metaimages_with_a_damaged_header(
    compressed: bool, entry: str, value: str, tmp_path: Path
) -> None:
    """Some of them crashed ITK, and with it the interpreter."""
    content = write_random(tmp_path / "a.mha", compressed)
    edited = re.sub(rb"(?m)^%s = .*$" % entry.encode(), f"{entry} = {value}".encode(), content, count=1)
    assert edited != content
    (tmp_path / "a.mha").write_bytes(edited)
    with pytest.raises((ValueError, FileNotFoundError), match=r"a\.mha"):
        read_field(tmp_path / "a.mha")


@pytest.mark.parametrize(
    "line", [b"sizes: 3 5 6", b"sizes: 3 5 6 0", b"type: block", b"encoding: hex", b"dimension: -"]
)
def test_read_field_rejects_nrrd_with_a_damaged_header(line: bytes, tmp_path: Path) -> None:
    content = write_random(tmp_path / "a.nrrd")
    (tmp_path / "a.nrrd").write_bytes(re.sub(rb"(?m)^%s.*$" % line.split(b":")[0], line, content, count=1))
    with pytest.raises(ValueError, match=r"a\.nrrd cannot be read as a displacement field: its header is damaged"):
        read_field(tmp_path / "a.nrrd")


@pytest.mark.parametrize("name", ["a.mhd", "a.nhdr"])
def test_read_field_reads_voxels_from_a_file_of_their_own(name: str, tmp_path: Path) -> None:
    write_random(tmp_path / name)
    assert read_field(tmp_path / name).grid.shape == (5, 6, 7)
    (voxels,) = (path for path in tmp_path.iterdir() if path.name != name)
    voxels.write_bytes(voxels.read_bytes()[:-8])
    with pytest.raises(ValueError, match="cannot be read as a displacement field: it is damaged"):
        read_field(tmp_path / name)
    voxels.unlink()
    with pytest.raises(FileNotFoundError, match=f"There is no file .*{voxels.name}, which .*{name} names"):
        read_field(tmp_path / name)


def test_read_field_rejects_a_sequence_of_scans(tmp_path: Path) -> None:
    """The fourth axis of a NIfTI file is time, of length 3 or not."""
    nib.save(nib.Nifti1Image(np.ones((5, 6, 7, 3), np.float32), np.eye(4)), tmp_path / "a.nii.gz")
    with pytest.raises(ValueError, match=r"a\.nii\.gz (is expected to hold one vector|cannot be read)"):
        read_field(tmp_path / "a.nii.gz")


def test_write_field_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(image: nib.Nifti1Image, name: str) -> None:
        Path(name).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(nib, "save", full)
    with pytest.raises(OSError, match=r"a\.nii\.gz cannot be written: No space left on device"):
        write_field(tmp_path / "a.nii.gz", FIELD)
    assert not list(tmp_path.iterdir())
