"""Files that were cut, lengthened or altered are read as they were or refused in one sentence, whatever their format.

What has no checksum, uncompressed voxels and numbers in a header, cannot be told from what was meant: it stays here.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from common.io import read_scan

ARRAY = (np.arange(7 * 8 * 9).reshape(7, 8, 9) * 37 % 97).astype(np.int16)
# path to read, file to damage, whether a checksum covers its voxels
FILES = [
    ("a.nii", "a.nii", False),
    ("a.nii.gz", "a.nii.gz", True),
    ("a.hdr", "a.hdr", False),
    ("a.img", "a.img", False),
    ("a.nrrd", "a.nrrd", False),
    ("zipped.nrrd", "zipped.nrrd", True),
    ("a.nhdr", "a.raw", False),
    ("a.mha", "a.mha", False),
    ("zipped.mha", "zipped.mha", True),
    ("a.mhd", "a.raw", False),
    ("zipped.mhd", "zipped.zraw", True),
    ("a.gipl", "a.gipl", False),
    ("a.vtk", "a.vtk", False),
    ("a.npy", "a.npy", False),
    ("a.png", "a.png", True),
    ("a.tif", "a.tif", False),
    ("a.jpg", "a.jpg", False),
    ("a.bmp", "a.bmp", False),
    ("a.dcm", "a.dcm", False),
]
PADDED = {"png", "tif", "bmp", "dcm", "hdr", "jpg"}  # formats that say themselves where they end
PICTURES = (".png", ".tif", ".jpg", ".bmp", ".dcm")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    affine = np.diag([-2.0, -3, 4, 1])
    for kind, name in ((nib.Nifti1Image, "a.nii"), (nib.Nifti1Image, "a.nii.gz"), (nib.Nifti1Pair, "a.img")):
        image = kind(ARRAY, affine)
        image.set_qform(affine, 1)
        nib.save(image, folder / name)
    np.save(folder / "a.npy", ARRAY)
    for _, name, _ in FILES:
        if not (folder / name).exists():
            values = ARRAY[:, :, 0].astype(np.uint8) if name.endswith(PICTURES) else ARRAY
            header = name.replace(".raw", ".mhd").replace(".zraw", ".mhd")
            sitk.WriteImage(sitk.GetImageFromArray(values.T.copy()), str(folder / header), "zipped" in name)
    sitk.WriteImage(sitk.GetImageFromArray(ARRAY.T.copy()), str(folder / "a.nhdr"))
    return folder


def damaged(content: bytes, everywhere: bool) -> Iterator[bytes]:
    rng = np.random.default_rng(0)
    for share in (0, 0.02, 0.3, 0.7, 0.97):
        yield content[: int(share * len(content))]
    yield content[:-1]
    yield content + b"more"
    for place in rng.integers(len(content), size=12) if everywhere else ():
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        yield bytes(changed)


def outcome(path: Path, dims: int) -> np.ndarray | str:
    try:
        return read_scan(path, dims).numpy()
    except (ValueError, FileNotFoundError) as error:
        return str(error)


@pytest.mark.parametrize(("name", "target", "checksum"), FILES)
def test_a_damaged_file_is_read_right_or_refused(
    name: str, target: str, checksum: bool, whole: Path, tmp_path: Path
) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    dims = 2 if name.endswith(PICTURES[:-1]) else 3
    expected = read_scan(tmp_path / name, dims).numpy()
    content = (tmp_path / target).read_bytes()
    for changed in damaged(content, checksum):
        (tmp_path / target).write_bytes(changed)
        got = outcome(tmp_path / name, dims)
        if isinstance(got, str):
            assert str(tmp_path) in got
            assert "\n" not in got
        else:
            np.testing.assert_array_equal(got, expected)
        if len(changed) > len(content) and target.rpartition(".")[2] not in PADDED:
            assert "it is damaged" in str(got)


HUGE = [
    ("a.nii", b"\x03\x00\x07\x00\x08\x00\x09\x00", b"\x03\x00\xff\x3f\xff\x3f\x09\x00"),
    ("a.hdr", b"\x03\x00\x07\x00\x08\x00\x09\x00", b"\x03\x00\xff\x3f\xff\x3f\x09\x00"),
    ("a.mha", b"DimSize = 7 8 9", b"DimSize = 16383 16383 9"),
    ("zipped.mha", b"DimSize = 7 8 9", b"DimSize = 16383 16383 9"),
    ("a.nrrd", b"sizes: 7 8 9", b"sizes: 16383 16383 9"),
    ("zipped.nrrd", b"sizes: 7 8 9", b"sizes: 16383 16383 9"),
    ("a.vtk", b"DIMENSIONS 7 8 9", b"DIMENSIONS 16383 16383 9"),
    ("a.npy", b"(7, 8, 9)", b"(16383, 16383, 9)"),
    ("a.mha", b"NDims = 3", b"NDims = 1209594"),  # MetaIO ends the interpreter
    ("a.mha", b"DimSize = 7 8 9", b"DimSize = 7 8"),
    ("a.mha", b"DimSize = 7 8 9", b"DimSize = 7 8 9000000000000"),
    ("a.nrrd", b"sizes: 7 8 9", b"sizes: 7 8 9000000000000"),
]


@pytest.mark.parametrize(("name", "before", "after"), HUGE)
def test_a_header_that_promises_too_much_is_refused_at_once(
    name: str, before: bytes, after: bytes, whole: Path, tmp_path: Path
) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    content = (tmp_path / name).read_bytes()
    assert content.count(before) == 1
    changed = content.replace(before, after)
    if name.endswith(".npy"):  # its header has a length of its own
        changed = re.sub(rb" {%d}\n" % (len(after) - len(before)), b"\n", changed, count=1)
    (tmp_path / name).write_bytes(changed)
    with pytest.raises(ValueError, match=re.escape(str(tmp_path))):
        read_scan(tmp_path / name)
