from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from common.data.source_files import find_file, find_files, raw_affine, read_numbers, read_raw, voxels_to_lps


def test_files_are_found_in_whatever_folder_and_case(tmp_path: Path) -> None:
    (tmp_path / "Case1Pack" / "Images").mkdir(parents=True)
    (tmp_path / "Case1Pack" / "Images" / "CASE1_T00_s.img").touch()
    (tmp_path / "case1_T00.img").mkdir()
    assert find_file(tmp_path, r"case1_T00.*\.img").name == "CASE1_T00_s.img"
    assert find_files(tmp_path, r"case\.img") == []
    with pytest.raises(FileNotFoundError, match=r"there is no file case2\.img in "):
        find_file(tmp_path, r"case2\.img")


def test_raw_volume_is_where_itk_puts_it(tmp_path: Path) -> None:
    """ITK reads the same bytes by a MetaImage header whose slices run towards the feet."""
    stored = np.arange(4 * 3 * 2, dtype="<i2") + 1000
    stored[0] = -2000  # padding
    (tmp_path / "a.img").write_bytes(stored.tobytes())
    (tmp_path / "a.mhd").write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 4 3 2\nElementType = MET_SHORT\nElementSpacing = 0.9 0.9 2.5\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 -1\nOffset = 0 0 0\nElementByteOrderMSB = False\nElementDataFile = a.img\n"
    )
    theirs = sitk.ReadImage(str(tmp_path / "a.mhd"))
    ours = read_raw(tmp_path / "a.img", (4, 3, 2))
    assert ours.dtype == np.int16
    np.testing.assert_array_equal(ours, np.maximum(sitk.GetArrayFromImage(theirs).T, 0) - 1024)
    voxels = np.array([[0, 0, 0], [3, 1, 1]])
    expected = [theirs.TransformIndexToPhysicalPoint(v.tolist()) for v in voxels]
    np.testing.assert_allclose(voxels_to_lps(voxels, raw_affine((0.9, 0.9, 2.5))), expected)


def test_raw_volume_of_another_size_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(bytes(46))
    with pytest.raises(ValueError, match=r"expected to hold 4 x 3 x 2 voxels in 48 bytes, got 46: is it complete"):
        read_raw(tmp_path / "a.img", (4, 3, 2))


@pytest.mark.parametrize("text", ["#X Y Z\n1 2 3\n4 5.5 -6\n", "1\t2\t3\r\n4\t5.5\t-6\r\n", "2\n1, 2, 3\n4,5.5,-6"])
def test_points_are_lines_of_three_numbers(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode())
    assert read_numbers(tmp_path / "a.txt").tolist() == [[1, 2, 3], [4, 5.5, -6]]


def test_file_without_points_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("nothing\n1 2\n")
    with pytest.raises(ValueError, match=r"expected to hold points of three numbers a line, got none"):
        read_numbers(tmp_path / "a.txt")
