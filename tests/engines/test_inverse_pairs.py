"""Both directions of a pair: which they are, and what their records say of one another."""

import json
from pathlib import Path

import pytest
import torch

from common.data import both_directions
from common.engines import pairs_both_ways, record_inverse_consistency
from common.io import Field, write_field
from common.spatial import Grid

GRID = Grid((6, 5, 4), torch.diag(torch.tensor([2.0, 2, 2, 1])).double())


def made(folder: Path, step: float) -> Path:
    """What a registration leaves that moves everything along x, LPS mm."""
    folder.mkdir()
    field = torch.zeros(1, 3, *GRID.shape)
    field[:, 0] = step
    write_field(folder / "displacement_field.nii.gz", Field(field, GRID))
    (folder / "metrics.json").write_text(json.dumps({"dice": 0.5}))
    return folder


def test_pairs_both_ways_are_those_of_the_option() -> None:
    pairs = [
        {"pair": "a", "fixed_image": "1.nii", "moving_image": "2.nii"},
        {"pair": "b", "fixed_image": "1.nii", "moving_image": "3.nii"},
    ]
    assert pairs_both_ways(pairs) == []
    assert pairs_both_ways(both_directions(pairs)) == [("a", "a_reverse"), ("b", "b_reverse")]
    phases = [{"pair": f"{n}", "fixed_image": "4d.nii", "moving_image": "4d.nii", "fixed_phase": n} for n in range(3)]
    assert pairs_both_ways(phases) == []
    clouds = [{"pair": "c", "fixed_cloud": "1.csv", "moving_cloud": "2.csv"}]
    assert pairs_both_ways(both_directions(clouds)) == []


def test_both_records_say_how_far_from_the_start_the_way_back_ends(tmp_path: Path) -> None:
    folders = [made(tmp_path / "forward", 2.0), made(tmp_path / "reverse", -1.5)]
    assert record_inverse_consistency(folders) == [0.5, 0.5]
    for folder in folders:
        record = json.loads((folder / "metrics.json").read_text())
        assert record["dice"] == 0.5
        assert record["inverse_consistency"]["max_mm"] == 0.5
        assert record["inverse_consistency"]["covered_percent"] == pytest.approx(100 * 5 / 6)


def test_what_is_known_is_not_measured_again_but_with_a_new_result(tmp_path: Path) -> None:
    folders = [made(tmp_path / "forward", 2.0), made(tmp_path / "reverse", -1.5)]
    record_inverse_consistency(folders)
    (folders[0] / "displacement_field.nii.gz").rename(tmp_path / "away.nii.gz")
    assert record_inverse_consistency(folders) == [0.5, 0.5]
    made(tmp_path / "other", 1.5).joinpath("displacement_field.nii.gz").rename(folders[0] / "displacement_field.nii.gz")
    (folders[0] / "metrics.json").write_text("{}")
    assert record_inverse_consistency(folders) == [0.0, 0.0]
