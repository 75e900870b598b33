"""Every phase of a cycle with one of them, from one file."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from common.data import cine_pairs

SHAPE = (6, 5, 2, 4)


def save(path: Path, array: np.ndarray) -> str:
    nib.save(nib.Nifti1Image(array.astype(np.uint8), np.eye(4)), path)
    return str(path)


@pytest.fixture
def cine(tmp_path: Path) -> str:
    return save(tmp_path / "cine.nii.gz", np.arange(240).reshape(SHAPE))


@pytest.fixture
def label(tmp_path: Path) -> str:
    """Annotated at the phases 1 and 3."""
    array = np.zeros(SHAPE)
    array[2, 2, :, 1] = array[2:4, 2, 1, 3] = 1
    return save(tmp_path / "label.nii.gz", array)


def phases(pairs: list[dict]) -> list[tuple[int, int]]:
    return [(pair["fixed_phase"], pair["moving_phase"]) for pair in pairs]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [(1, 0), (2, 0), (3, 0)]),
        ({"fixed_phase": "all"}, [(1, 0), (2, 0), (3, 0)]),
        ({"moving_phase": 2}, [(0, 2), (1, 2), (3, 2)]),
        ({"moving_phase": "2", "fixed_phase": "all"}, [(0, 2), (1, 2), (3, 2)]),
        ({"moving_phase": "all"}, [(0, 1), (0, 2), (0, 3)]),
        ({"fixed_phase": 3}, [(3, 0), (3, 1), (3, 2)]),
        ({"fixed_phase": 3, "moving_phase": "all"}, [(3, 0), (3, 1), (3, 2)]),
        ({"fixed_phase": 3, "moving_phase": 0}, [(3, 0)]),
    ],
)
def test_cine_pairs_pairs_all_phases_with_one(options: dict, expected: list[tuple[int, int]], cine: str) -> None:
    assert phases(cine_pairs(cine, **options)) == expected


def test_cine_pairs_name_files_and_themselves(cine: str) -> None:
    assert cine_pairs(cine, moving_phase=0, fixed_phase=3) == [
        {
            "fixed_image": cine,
            "moving_image": cine,
            "fixed_phase": 3,
            "moving_phase": 0,
            "pair": "phase_03_from_00",
        }
    ]


def test_cine_pairs_have_labels_where_phases_are_annotated(cine: str, label: str) -> None:
    pairs = cine_pairs(cine, label=label)
    assert phases(pairs) == [(0, 1), (2, 1), (3, 1)]  # the first annotated phase is taken to all the others
    assert [("fixed_label" in pair, "moving_label" in pair) for pair in pairs] == [
        (False, True),
        (False, True),
        (True, True),
    ]
    assert {pair["moving_label"] for pair in pairs} == {label}
    assert phases(cine_pairs(cine, moving_phase="all", label=label)) == [(1, 0), (1, 2), (1, 3)]


def test_cine_pairs_take_the_label_of_one_phase(cine: str, tmp_path: Path) -> None:
    label = save(tmp_path / "one.nii.gz", np.ones(SHAPE[:3]))
    pairs = cine_pairs(cine, moving_phase=2, label=label)
    assert all("moving_label" in pair and "fixed_label" not in pair for pair in pairs)
    pairs = cine_pairs(cine, fixed_phase=2, label=label)
    assert all("fixed_label" in pair and "moving_label" not in pair for pair in pairs)
    with pytest.raises(ValueError, match="--label has no time axis: say with --moving_phase or --fixed_phase which"):
        cine_pairs(cine, label=label)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fixed_phase": "all", "moving_phase": "all"}, "Only one of --fixed_phase and --moving_phase can be all"),
        ({"fixed_phase": 1, "moving_phase": 1}, "are expected to differ, got 1 for both"),
        ({"fixed_phase": 4}, "--fixed_phase is expected to be a number from 0 to 3 or all, got 4"),
        ({"moving_phase": -1}, "--moving_phase is expected to be a number from 0 to 3 or all, got -1"),
        ({"moving_phase": "ed"}, "--moving_phase is expected to be a number from 0 to 3 or all, got ed"),
        ({"moving_phase": True}, "--moving_phase is expected to be a number from 0 to 3 or all, got True"),
    ],
)
def test_cine_pairs_reject_other_phases(options: dict, message: str, cine: str) -> None:
    with pytest.raises(ValueError, match=message):
        cine_pairs(cine, **options)


def test_cine_pairs_reject_other_files(cine: str, tmp_path: Path) -> None:
    volume = save(tmp_path / "volume.nii.gz", np.ones(SHAPE[:3]))
    with pytest.raises(ValueError, match=r"is expected to be 4-D \(x, y, slice, phase\), got the shape \(6, 5, 2\)"):
        cine_pairs(volume)
    (tmp_path / "text.nii").write_text("no image")
    with pytest.raises(ValueError, match=r"--cine .*text\.nii cannot be read as an image"):
        cine_pairs(tmp_path / "text.nii")
    with pytest.raises(FileNotFoundError, match=r"There is no file .*absent\.nii"):
        cine_pairs(cine, label=tmp_path / "absent.nii")
    other = save(tmp_path / "other.nii.gz", np.ones((6, 5, 2, 3)))
    with pytest.raises(ValueError, match=r"--label .* to have the shape \(6, 5, 2, 4\) of the cine or a phase, got"):
        cine_pairs(cine, label=other)
    cut = Path(save(tmp_path / "cut.nii", np.ones(SHAPE)))
    cut.write_bytes(cut.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"cut\.nii cannot be read as an image: it is damaged, its header promises"):
        cine_pairs(cine, label=cut)
    with pytest.raises(ValueError, match="holds no label at any phase"):
        cine_pairs(cine, label=save(tmp_path / "empty.nii.gz", np.zeros(SHAPE)))
