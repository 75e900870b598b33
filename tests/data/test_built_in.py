"""Without arguments a phantom is registered."""

from pathlib import Path
from unittest.mock import Mock

import nibabel as nib
import pytest

from common.data import OnDemand, built_in, pairs_or_built_in
from common.phantoms import chest_phantom, torso_phantom


def test_pairs_or_built_in_reads_what_is_given(tmp_path: Path) -> None:
    one = {"fixed_image": "a.nii", "moving_image": "b.nii"}
    assert pairs_or_built_in(tmp_path, **one) == [one]
    assert pairs_or_built_in(tmp_path, [one]) == [{**one, "pair": "1_a_b"}]
    assert not list(tmp_path.iterdir())


def test_pairs_or_built_in_writes_the_phantom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(built_in.PHANTOMS, "torso", lambda: torso_phantom((20, 18, 22), (8.0, 8.0, 8.0), 2.0))
    pairs = pairs_or_built_in(str(tmp_path / "out"), None, fixed_image=None, moving_image=None)
    assert len(pairs) == 1
    assert not list(tmp_path.iterdir())  # until a pair is asked for
    (pair,) = pairs
    kinds = ("image", "label", "keypoints")
    assert set(pair) == {f"{side}_{kind}" for side in ("fixed", "moving") for kind in kinds}
    for path in pair.values():
        assert Path(path).parent == tmp_path / "out" / "phantom"
        assert Path(path).is_file()


def test_pairs_or_built_in_wants_both_scans(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the command line gives no moving_image"):
        pairs_or_built_in(tmp_path, None, fixed_image="a.nii")


def test_pairs_or_built_in_writes_the_heart(tmp_path: Path) -> None:
    (pair,) = pairs_or_built_in(tmp_path, phantom="heart")
    assert nib.load(pair["fixed_image"]).shape == (192, 160)
    assert len(pair) == 6
    with pytest.raises(ValueError, match="one of torso, heart, chest, abdomen, hippocampus, got brain"):
        pairs_or_built_in(tmp_path, phantom="brain")


def test_pairs_or_built_in_writes_the_chest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(built_in.PHANTOMS, "chest", lambda: chest_phantom((50, 38, 44), (7.0, 6.6, 6.0)))
    (pair,) = pairs_or_built_in(tmp_path, phantom="chest")
    assert nib.load(pair["moving_image"]).shape == (50, 38, 44)
    assert len(pair) == 6


def test_list_on_demand_is_made_once() -> None:
    make = Mock(return_value=[{"pair": "a"}, {"pair": "b"}])
    pairs = OnDemand(make, 2)
    assert len(pairs) == 2
    make.assert_not_called()
    assert [pair["pair"] for pair in pairs] == ["a", "b"]
    assert pairs[1:] == [{"pair": "b"}]
    make.assert_called_once()
