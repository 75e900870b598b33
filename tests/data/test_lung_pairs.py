from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from common.data.lung_pairs import (
    copdgene_pairs,
    creatis_pairs,
    dirlab_pairs,
    learn2reg_lung_pairs,
    popi_pairs,
)


@pytest.mark.parametrize("points", ["Case1_300_{}_xyz.txt", "case1_dirLab300_{}_xyz.txt"])
@pytest.mark.parametrize("image", ["case1_{}_s.img", "case1_{}-ssm.img", "case1_{}.img"])
def test_dirlab_is_found_by_all_its_names(raw_source: Callable, image: str, points: str) -> None:
    source = raw_source(image, points, "T00 T50")
    pair = next(dirlab_pairs(source.folder))
    fixed, moving = pair.find()
    assert (pair.name, fixed.name, moving.name) == ("case1", "case1_T00", "case1_T50")
    np.testing.assert_allclose(fixed.points[0], [4, 6, -10])  # (3, 4, 5) from 1 on, 2 x 2 x 2.5 mm, towards the feet
    np.testing.assert_allclose(moving.points - fixed.points, [[2, 0, 2.5]] * 3)


def test_first_case_is_not_the_tenth(raw_source: Callable) -> None:
    source = raw_source("case10_{}.img", "case10_dirLab300_{}_xyz.txt", "T00 T50")
    with pytest.raises(FileNotFoundError, match=r"there is no file case1_T00.*img"):
        next(dirlab_pairs(source.folder)).find()


def test_copdgene_is_inhaled_first(raw_source: Callable) -> None:
    source = raw_source("copd1_{}BHCT.img", "copd1_300_{}BH_xyz_r1.txt", "i e")
    fixed, moving = next(copdgene_pairs(source.folder)).find()
    assert (fixed.name, moving.name) == ("copd1_iBH", "copd1_eBH")
    np.testing.assert_allclose(fixed.points[0], [4, 6, -10])


def test_popi_takes_the_phases_farthest_apart(metaimage_source: Callable) -> None:
    fixed, moving = next(popi_pairs(metaimage_source("popi"))).find()
    assert (fixed.name, moving.name) == ("popi_10", "popi_60")
    np.testing.assert_allclose(fixed.points[0], [-30 + 4, 12 + 6, 100 + 10])
    np.testing.assert_allclose(np.linalg.norm(moving.points - fixed.points, axis=1), np.hypot(2, 2.5))


def test_popi_needs_two_phases_with_as_many_landmarks(metaimage_source: Callable) -> None:
    source = metaimage_source("popi")
    (source / "popi" / "30-Landmarks.pts").write_text("1 2 3\n")
    with pytest.raises(ValueError, match="as many landmarks each, got 10: 3, 30: 1, 60: 3"):
        next(popi_pairs(source)).find()
    for name in ("10-Landmarks.pts", "30-Landmarks.pts"):
        (source / "popi" / name).unlink()
    with pytest.raises(FileNotFoundError, match=r"there are no two phases with an \.mhd and landmarks"):
        next(popi_pairs(source)).find()


def test_creatis_has_a_folder_a_patient(metaimage_source: Callable) -> None:
    metaimage_source("Patient10")
    source = metaimage_source("Patient2")
    pairs = list(creatis_pairs(source))
    assert [pair.name for pair in pairs] == ["creatis1", "creatis2"]
    assert [side.name for side in pairs[0].find()] == ["creatis1_10", "creatis1_60"]
    for path in (source / "Patient10").iterdir():
        path.unlink()
    with pytest.raises(FileNotFoundError, match=r"there are 1 folders with \.mhd in"):
        list(creatis_pairs(source))[1].find()


def test_learn2reg_counts_voxels_from_0(learn2reg_source: Path) -> None:
    (pair,) = learn2reg_lung_pairs(learn2reg_source)
    fixed, moving = pair.find()
    assert (pair.name, pair.published) == ("LungCT_0003", None)
    assert (fixed.name, moving.name) == ("LungCT_0003_0000", "LungCT_0003_0001")
    np.testing.assert_allclose(fixed.points[0], [-(-1.75 * 3 + 4), -(1.25 * 2 + 5), 1.75 * 4 + 6])
