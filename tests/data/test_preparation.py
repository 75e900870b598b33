"""The whole way: the owner's files in, scans and landmarks that a bundle reads out."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from common.data import prepare, read_pairs
from common.io import read_points, read_scan

SHAPE = (12, 10, 8)


def test_raw_volumes_become_placed_scans_and_points(raw_source: Callable, tmp_path: Path) -> None:
    source = raw_source("case1_{}_s.img", "Case1_300_{}_xyz.txt", "T00 T50")
    told = prepare("dirlab", str(source.folder), str(tmp_path / "out"))
    assert "case1: 3 landmarks, 3.20 ± 0.00 mm before registration, as published\n1 pairs -> " in told
    assert "Left out: case2 (there is no file case2_T00.*.img in " in told
    (pair,) = read_pairs(tmp_path / "out" / "pairs.csv")
    scan = read_scan(pair["fixed_image"])
    np.testing.assert_array_equal(scan[0], source.stored.reshape(SHAPE, order="F") - 1024.0)
    assert nib.aff2axcodes(scan.affine.numpy()) == ("L", "P", "I")
    assert nib.load(pair["fixed_image"]).get_data_dtype() == np.int16
    points = read_points(pair["moving_keypoints"]).positions
    itk = sitk.ReadImage(pair["moving_image"])
    voxels = [itk.TransformPhysicalPointToContinuousIndex(point.tolist()) for point in points]
    np.testing.assert_allclose(voxels, np.array([[4, 4, 4], [8, 2, 2], [11, 8, 5]]) - 1, atol=1e-4)


def test_landmarks_that_are_not_the_published_ones_are_told(raw_source: Callable, tmp_path: Path) -> None:
    raw_source("copd1_{}BHCT.img", "copd1_300_{}BH_xyz_r1.txt", "i e")
    source = raw_source("copd2_{}BHCT.img", "copd2_300_{}BH_xyz_r1.txt", "i e")
    told = prepare("copdgene", str(source.folder), str(tmp_path / "out"))
    assert "copd1: 3 landmarks, 3.20 ± 0.00 mm before registration, as published" in told
    assert "copd2: 3 landmarks, 3.20 ± 0.00 mm before registration; published are 3, 9.99 ± 0.00 mm: are the" in told
    assert "Left out" not in told
    assert len(read_pairs(tmp_path / "out" / "pairs.csv")) == 2


def test_incomplete_volume_is_left_out(raw_source: Callable, tmp_path: Path) -> None:
    raw_source("case1_{}.img", "case1_dirLab300_{}_xyz.txt", "T00 T50")
    source = raw_source("case2_{}.img", "case2_dirLab300_{}_xyz.txt", "T00 T50")
    whole = source.folder / "Pack" / "case2_T50.img"
    whole.write_bytes(whole.read_bytes()[:-2])
    told = prepare("dirlab", str(source.folder), str(tmp_path / "out"))
    assert "Left out: case2 (" in told
    assert "expected to hold 12 x 10 x 8 voxels in 1920 bytes, got 1918" in told
    assert len(read_pairs(tmp_path / "out" / "pairs.csv")) == 1


def test_landmarks_outside_of_the_scan_are_refused(raw_source: Callable, tmp_path: Path) -> None:
    source = raw_source("case1_{}.img", "case1_dirLab300_{}_xyz.txt", "T00 T50")
    points = source.folder / "Pack" / "ExtremePhases" / "case1_dirLab300_T00_xyz.txt"
    points.write_text("3 4 5\n7 2 3\n10 8 9\n")
    with pytest.raises(FileNotFoundError, match=r"Nothing can be prepared: case1 \(landmarks of case1_T00 lie outside"):
        prepare("dirlab", str(source.folder), str(tmp_path / "out"))
    points.write_text("3 4 5\n")
    with pytest.raises(FileNotFoundError, match=r"case1 \(1 landmarks in the fixed scan and 3 in the moving one\)"):
        prepare("dirlab", str(source.folder), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_metaimages_keep_their_place(metaimage_source: Callable, tmp_path: Path) -> None:
    source = metaimage_source("popi")
    told = prepare("popi", str(source), str(tmp_path / "out"))
    assert "popi: 3 landmarks, 3.20 ± 0.00 mm before registration, as published" in told
    (pair,) = read_pairs(tmp_path / "out" / "pairs.csv")
    ours, theirs = sitk.ReadImage(pair["fixed_image"]), sitk.ReadImage(str(source / "popi" / "10-P.mhd"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(ours), sitk.GetArrayFromImage(theirs))
    np.testing.assert_allclose(ours.GetOrigin(), theirs.GetOrigin(), atol=1e-4)
    assert "creatis1: 3 landmarks" in prepare("creatis", str(source), str(tmp_path / "creatis"))


def test_learn2reg_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Nothing can be prepared: there is no LungCT_\*_0000\.nii\.gz below "):
        prepare("learn2reg_lung", str(tmp_path), str(tmp_path / "out"))


def test_learn2reg_gets_points_in_mm(learn2reg_source: Path, tmp_path: Path) -> None:
    told = prepare("learn2reg_lung", str(learn2reg_source), str(tmp_path / "out"))
    assert "LungCT_0003: 3 landmarks, 2.15 ± 0.00 mm before registration\n" in told
    (pair,) = read_pairs(tmp_path / "out" / "pairs.csv")
    assert read_points(pair["fixed_keypoints"]).positions.shape == (3, 3)
    assert read_scan(pair["moving_image"]).shape == (1, *SHAPE)


def write_series(folder: Path, slices: int, series: str) -> None:
    folder.mkdir(parents=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    for k in range(slices):
        image = sitk.GetImageFromArray(np.full((1, 6, 7), k - 500, np.int16) + np.arange(7, dtype=np.int16))
        image.SetSpacing((0.7, 0.7, 2.0))
        tags = {
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
            "0008|0018": f"{series}.{k}",
            "0020|000e": series,
            "0020|0032": f"0\\0\\{2.0 * k}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
        }
        for tag, value in tags.items():
            image.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{k:03d}.dcm"))
        writer.Execute(image)


def test_dicom_series_become_single_scans(tmp_path: Path) -> None:
    write_series(tmp_path / "source" / "LIDC-IDRI-0001" / "a" / "b", 31, "1.2.3.1")
    write_series(tmp_path / "source" / "LIDC-IDRI-0001" / "a" / "c", 2, "1.2.3.2")
    write_series(tmp_path / "source" / "LIDC-IDRI-0002" / "d", 32, "1.2.3.3")
    (tmp_path / "source" / "LIDC-IDRI-0002" / "d" / "010.dcm").unlink()
    told = prepare("lidc", str(tmp_path / "source"), str(tmp_path / "out"))
    assert told.startswith("1 scans -> ")
    assert "1 series of fewer than 30 files are no CT" in told
    assert "Left out: LIDC-IDRI-0002_d (" in told
    assert "lacks slices" in told
    scan = nib.load(tmp_path / "out" / "images" / "LIDC-IDRI-0001_a_b.nii.gz")
    assert scan.shape == (7, 6, 31)
    np.testing.assert_allclose(scan.header.get_zooms(), (0.7, 0.7, 2.0), atol=1e-4)
    with pytest.raises(FileNotFoundError, match=r"Nothing can be prepared: d \(.* lacks slices"):
        prepare("lidc", str(tmp_path / "source" / "LIDC-IDRI-0002"), str(tmp_path / "none"))


def test_prepare_wants_a_known_set_and_its_files(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="prepare expects one of dirlab, copdgene, popi, creatis, learn2reg_lung, lidc"
    ):
        prepare("mnist", str(tmp_path), str(tmp_path / "out"))
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*nowhere: give the unpacked files of dirlab"):
        prepare("dirlab", str(tmp_path / "nowhere"), str(tmp_path / "out"))
    for name in ("learn2reg_lung", "lidc"):
        with pytest.raises(FileNotFoundError, match="Nothing can be prepared: there "):
            prepare(name, str(tmp_path), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_command_line_tells_a_mistake_in_one_sentence(tmp_path: Path) -> None:
    options = ["--source", str(tmp_path), "--output", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-m", "common", "prepare", "popi", *options], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Nothing can be prepared: popi (there are no two phases")
    assert "Traceback" not in done.stderr
