"""CT data sets of the liver, made small, in the formats of their owners."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from monai.data import MetaTensor

from common.data import find_cases, liver_sets, prepare
from common.data.liver_sets import cut_to_liver
from common.io import read_scan

SHAPE, STEPS = (40, 36, 30), (5.0, 5.0, 6.0)
LIVER = (slice(8, 28), slice(10, 30), slice(8, 24))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liver_sets, "SIZE", (16, 16, 16))


def body(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """HU and liver."""
    values = np.random.default_rng(seed).normal(-80, 5, SHAPE)
    values[LIVER] += 190
    label = np.zeros(SHAPE, np.uint8)
    label[LIVER] = 1
    label[12:15, 12:15, 12:15] = 2  # a tumor
    return values.astype(np.int16), label


def write(path: Path, array: np.ndarray, codes: str = "RAS") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(array, np.diag([*STEPS, 1.0]))
    turn = nib.orientations.ornt_transform(nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(codes))
    nib.save(image.as_reoriented(turn), path)


@pytest.fixture
def decathlon(tmp_path: Path) -> Path:
    """Tasks side by side, unpacked, with what a Macintosh leaves beside files."""
    for task, name in (("Task03_Liver", "liver"), ("Task08_HepaticVessel", "hepaticvessel")):
        for folder, number in (("imagesTr", 1), ("imagesTs", 2), ("imagesTs", 3)):
            write(tmp_path / "source" / task / folder / f"{name}_{number:03d}.nii.gz", body(number)[0], "LAS")
        (tmp_path / "source" / task / "imagesTs" / f"._{name}_002.nii.gz").write_bytes(b"Mac")
        write(tmp_path / "source" / task / "labelsTr" / f"{name}_001.nii.gz", body(1)[1], "LAS")
        (tmp_path / "source" / task / "dataset.json").write_text("{}")
    return tmp_path / "source"


def test_of_the_liver_task_those_without_labels_are_for_training(decathlon: Path, tmp_path: Path) -> None:
    """The others are those of LiTS, with which the paper validates."""
    told = prepare("msd_liver", str(decathlon), str(tmp_path / "out"))
    assert told == f"2 scans for training -> {tmp_path / 'out' / 'dataset.json'}; the paper has 70 of this data set"
    listed = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert listed == {"training": [{"image": f"images/msd_liver_liver_00{n}.nii.gz"} for n in (2, 3)]}
    prepare("msd_hepatic_vessel", str(decathlon), str(tmp_path / "out"))
    assert len(find_cases(tmp_path / "out", tmp_path / "out" / "dataset.json")["training"]) == 4  # one is held back


def test_scan_is_turned_cut_to_the_liver_and_windowed(decathlon: Path, tmp_path: Path) -> None:
    prepare("msd_liver", str(decathlon), str(tmp_path / "out"))
    image = nib.load(tmp_path / "out" / "images" / "msd_liver_liver_002.nii.gz")
    assert image.shape == (16, 16, 16)
    assert image.get_data_dtype() == np.int16
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")
    values = np.asarray(image.dataobj)
    assert values.min() == -25
    assert 100 < values[8, 8, 8] < 120
    middle = image.affine @ [7.5, 7.5, 7.5, 1]
    np.testing.assert_allclose(middle[:3], np.multiply([17.5, 19.5, 15.5], STEPS), atol=6)


@pytest.mark.parametrize("name", ["lits", "sliver"])
def test_box_is_that_of_the_label_where_there_is_one(name: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    values, label = body(0)
    if name == "lits":
        write(source / "batch" / "volume-7.nii", values)
        write(source / "segmentation-7.nii", label)
    else:
        source.mkdir()
        for kind, array in (("orig", values), ("seg", 255 * (label > 0).astype(np.uint8))):
            image = sitk.GetImageFromArray(array.transpose(2, 1, 0))
            image.SetSpacing(STEPS)
            sitk.WriteImage(image, str(source / f"liver-{kind}007.mhd"))
    told = prepare(name, str(source), str(tmp_path / "out"))
    part = {"lits": "validation", "sliver": "evaluation"}[name]
    assert f"1 scans for {part} -> " in told
    (case,) = json.loads((tmp_path / "out" / "dataset.json").read_text())[part]
    mask = read_scan(tmp_path / "out" / case["label"], label=True)[0]
    scan = read_scan(tmp_path / "out" / case["image"])[0]
    assert set(mask.unique().tolist()) == {0, 1}
    assert torch.equal(mask, (scan > 15).int())
    affine = nib.load(tmp_path / "out" / case["image"]).affine  # over the liver and 5 voxels on each side of it
    np.testing.assert_allclose(np.abs(np.diag(affine)[:3]), np.array(STEPS) * [30, 30, 26] / 16, rtol=1e-5)


def test_a_recipe_that_runs_again_lists_a_case_once(decathlon: Path, tmp_path: Path) -> None:
    for _ in range(2):
        prepare("msd_liver", str(decathlon), str(tmp_path / "out"))
    assert len(json.loads((tmp_path / "out" / "dataset.json").read_text())["training"]) == 2


def test_what_cannot_be_read_is_left_out(decathlon: Path, tmp_path: Path) -> None:
    (decathlon / "Task03_Liver" / "imagesTs" / "liver_003.nii.gz").write_bytes(b"broken")
    told = prepare("msd_liver", str(decathlon), str(tmp_path / "out"))
    assert "1 scans for training" in told
    assert "Left out: liver_003.nii.gz (" in told


def test_label_of_another_shape_is_left_out(tmp_path: Path) -> None:
    values, label = body(0)
    write(tmp_path / "volume-0.nii", values)
    write(tmp_path / "segmentation-0.nii", label[1:])
    with pytest.raises(FileNotFoundError, match=r"volume-0\.nii \(scan and label map are expected to be of one shape"):
        prepare("lits", str(tmp_path), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_scans_without_their_label_map_are_left_out(tmp_path: Path) -> None:
    values, label = body(0)
    for number in (0, 1):
        write(tmp_path / f"volume-{number}.nii", values)
    write(tmp_path / "segmentation-0.nii", label)
    told = prepare("lits", str(tmp_path), str(tmp_path / "out"))
    assert "1 scans for validation" in told
    assert "Left out: volume-1.nii (there is no label map segmentation-1.nii[.gz])." in told


def test_a_scan_that_is_there_twice_is_taken_once(tmp_path: Path) -> None:
    values, label = body(0)
    for folder in ("a", "b"):
        write(tmp_path / folder / "volume-0.nii", values)
    write(tmp_path / "segmentation-0.nii", label)
    told = prepare("lits", str(tmp_path), str(tmp_path / "out"))
    assert "1 scans for validation" in told
    assert "Left out: volume-0.nii (" in told
    assert "b has another scan of this name)" in told


@pytest.mark.parametrize("listed", [3, ["a"], [{"label": "a.nii"}], [{"image": None}]])
def test_a_list_of_something_else_is_kept(listed: object, decathlon: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "dataset.json").write_text(json.dumps({"training": listed}))
    with pytest.raises(ValueError, match=r"dataset\.json is expected to list the cases for training as records"):
        prepare("msd_liver", str(decathlon), str(tmp_path / "out"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dataset.json"]


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file liver_\*\.nii\[\.gz\] in a folder imagesTs below "):
        prepare("msd_liver", str(tmp_path), str(tmp_path / "out"))


def test_private_data_are_told(tmp_path: Path) -> None:
    assert prepare("bfh", str(tmp_path), str(tmp_path)).startswith("Nothing to prepare: the 92 scans of BFH")


def test_cutting_continues_a_scan_at_the_same_place() -> None:
    """What is cut lies in the world where it was."""
    x = torch.arange(64.0).view(1, 64, 1, 1).expand(1, 64, 60, 50) * 2
    affine = torch.diag(torch.tensor([2.0, 2, 2, 1])).double()
    label = torch.zeros(1, 64, 60, 50)
    label[:, 10:50, 10:50, 10:40] = 1
    image, liver = cut_to_liver(MetaTensor(x, affine=affine), MetaTensor(label, affine=affine))
    places = image.affine[0, 0] * torch.arange(16) + image.affine[0, 3]
    torch.testing.assert_close(image[0, :, 8, 8].double(), places.clamp(-25, 265), atol=1.0, rtol=0)
    assert liver.dtype == torch.uint8
