from pathlib import Path
from unittest.mock import Mock

import nibabel as nib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from common.data import PairDataset, find_cine_slices
from common.io import read_nifti

SHAPE = (5, 6, 3, 4)
AFFINE = np.array([[0.0, -1.3, 0.5, 7], [1.2, 0, 0, -8], [0, 0.2, 9, 30], [0, 0, 0, 1]])
IMAGE = np.random.default_rng(0).integers(0, 900, SHAPE).astype(np.int16)


def write(path: Path, array: NDArray) -> None:
    nib.save(nib.Nifti1Image(array, AFFINE), path)


def annotation(*places: tuple[int, int]) -> NDArray:
    label = np.zeros(SHAPE, np.uint8)
    for k, t in places:
        label[1:3, 2:4, k, t] = 1
    return label


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for patient in ("p1", "p2", "p3"):
        write(tmp_path / f"{patient}_image.nii.gz", IMAGE)
    write(tmp_path / "p1_endo.nii.gz", annotation((1, 0), (1, 2)))
    write(tmp_path / "p3_endo.nii.gz", annotation((0, 1), (0, 3), (1, 1), (2, 1), (2, 3)))
    write(tmp_path / "p3_epi.nii.gz", annotation((0, 1)))
    return tmp_path


def test_find_cine_slices_gives_every_slice_and_phase(folder: Path) -> None:
    found = find_cine_slices(folder)
    assert len(found["training"]) == 2 * 3 * 4
    case = next(case for case in found["training"] if case["name"] == "p1_slice1_phase2")
    assert case["cohort"] == "p1 slice 1"
    assert case["image"].dtype == torch.float32
    np.testing.assert_array_equal(case["image"].numpy(), IMAGE[None, :, :, 1, 2])
    np.testing.assert_array_equal(case["label"].numpy(), annotation((1, 2))[None, :, :, 1, 2])
    assert case["label"].dtype == torch.int32
    assert sum("label" in case for case in found["training"]) == 2


def test_convention_find_cine_slices_places_each_slice(folder: Path) -> None:
    case = next(case for case in find_cine_slices(folder)["training"] if case["name"] == "p2_slice2_phase0")
    pixel = np.array([3.0, 4, 0, 1])
    np.testing.assert_allclose(case["image"].affine.numpy() @ pixel, AFFINE @ [3, 4, 2, 1], atol=1e-5)


def test_convention_find_cine_slices_knows_the_unit_of_a_header(folder: Path) -> None:
    image = nib.Nifti1Image(IMAGE, np.diag([1e3, 1e3, 1e3, 1]) @ AFFINE)
    image.header.set_xyzt_units("micron")
    nib.save(image, folder / "p2_image.nii.gz")
    case = next(case for case in find_cine_slices(folder)["training"] if case["name"] == "p2_slice0_phase0")
    np.testing.assert_allclose(case["image"].affine.numpy(), AFFINE, atol=1e-4)


def test_find_cine_slices_validates_on_annotated_pairs(folder: Path) -> None:
    validation = find_cine_slices(folder)["validation"]
    assert [case["name"][3:] for case in validation] == [
        "slice0_phase1", "slice0_phase3", "slice2_phase1", "slice2_phase3"]  # fmt: skip
    assert all("label" in case for case in validation)
    assert len(PairDataset(validation, pairing="ordered")) == 4


def test_find_cine_slices_reads_each_file_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Mock(side_effect=read_nifti)
    monkeypatch.setattr("common.data.cine_slices.read_nifti", reader)
    find_cine_slices(folder, "none")
    read = [call.args[0] for call in reader.call_args_list]
    assert len(read) == len(set(read)) == 5


@pytest.mark.parametrize(
    ("held_out", "training", "validation"),
    [("p1", {"p2", "p3"}, {"p1"}), (["p1", "p3"], {"p2"}, {"p1", "p3"}), ("none", {"p1", "p2", "p3"}, {"p1", "p3"})],
)
def test_find_cine_slices_holds_patients_out(
    held_out: str | list[str], training: set[str], validation: set[str], folder: Path
) -> None:
    found = find_cine_slices(folder, held_out)
    assert {case["name"][:2] for case in found["training"]} == training
    assert {case["name"][:2] for case in found["validation"]} == validation


def test_find_cine_slices_rejects_what_is_not_there(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"There is no folder .*nowhere: give --dataset_dir"):
        find_cine_slices(folder / "nowhere")
    (folder / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"There is no 4-D scan <patient>_image\.nii\.gz in .*empty"):
        find_cine_slices(folder / "empty")
    with pytest.raises(FileNotFoundError, match=r"There is no patient p9 in .*, but p1, p2, p3\."):
        find_cine_slices(folder, ["p1", "p9"])


@pytest.mark.parametrize("held_out", [["p1", "p2", "p3"], []])
def test_find_cine_slices_needs_patients_for_both(held_out: list[str], folder: Path) -> None:
    with pytest.raises(ValueError, match=r"of 3 in .* held_out leaves .* for training: give --held_out none"):
        find_cine_slices(folder, held_out)


def test_find_cine_slices_rejects_files_it_cannot_use(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"No slice of p2 has labels at two times \(<patient>_endo\.nii\.gz in"):
        find_cine_slices(folder, "p2")
    write(folder / "p3_endo.nii.gz", annotation((0, 1))[:4])
    with pytest.raises(ValueError, match=r"p3_endo.* to have the shape \(5, 6, 3, 4\) of its scan, got \(4, 6, 3, 4\)"):
        find_cine_slices(folder)
    write(folder / "p1_image.nii.gz", IMAGE[..., 0])
    with pytest.raises(ValueError, match=r"p1_image\.nii\.gz is expected to be 4-D .*, got the shape \(5, 6, 3\)"):
        find_cine_slices(folder)
    write(folder / "p1_image.nii.gz", np.full(SHAPE, np.nan, np.float32))
    with pytest.raises(ValueError, match=r"p1_image\.nii\.gz is expected to hold finite numbers"):
        find_cine_slices(folder)
    (folder / "p1_image.nii.gz").write_text("no image")
    with pytest.raises(ValueError, match=r"p1_image\.nii\.gz cannot be read as an image"):
        find_cine_slices(folder)


@pytest.mark.parametrize("codes", ["LPS", "SRA"])
def test_labels_may_have_their_axes_in_another_order(folder: Path, codes: str) -> None:
    known = find_cine_slices(folder, held_out="p1")["training"]
    for path in folder.glob("*_endo.nii.gz"):
        label = nib.load(path)
        turn = nib.orientations.ornt_transform(
            nib.orientations.io_orientation(label.affine), nib.orientations.axcodes2ornt(codes)
        )
        nib.save(label.as_reoriented(turn), path)
    turned = find_cine_slices(folder, held_out="p1")["training"]
    assert [case["name"] for case in turned if "label" in case] == [case["name"] for case in known if "label" in case]
    for case, other in zip(turned, known, strict=True):
        assert "label" not in case or torch.equal(case["label"].as_tensor(), other["label"].as_tensor())


def test_labels_elsewhere_are_refused(folder: Path) -> None:
    path = next(folder.glob("*_endo.nii.gz"))
    label = nib.load(path)
    moved = label.affine + np.array([[0, 0, 0, 40.0]] * 3 + [[0, 0, 0, 0]])
    nib.save(nib.Nifti1Image(np.asarray(label.dataobj), moved), path)
    with pytest.raises(ValueError, match="expected to lie where its scan does, but their headers are up to 69"):
        find_cine_slices(folder)
