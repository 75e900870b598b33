"""Reading the key points of a pair."""

from pathlib import Path

import pytest
import torch
from monai.data import DataLoader, Dataset, decollate_batch

from common.io import format_points
from common.transforms import LoadPointsd

LPS = torch.tensor([[1.5, -2.0, 30.25], [4.0, 5.5, -6.125]]).double()
KEYS = ("fixed_keypoints", "moving_keypoints")


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_load_pointsd_reads_and_keeps_the_paths(tmp_path: Path) -> None:
    path = str(write(tmp_path, "a.csv", format_points("a.csv", LPS)))
    loaded = LoadPointsd(KEYS)({"fixed_keypoints": path, "moving_keypoints": path, "other": 1})
    assert torch.equal(loaded["fixed_keypoints"], LPS)
    assert torch.equal(loaded["moving_keypoints"], LPS)
    assert loaded["moving_keypoints_file"] == path
    assert loaded["other"] == 1


def test_load_pointsd_leaves_out_what_is_absent(tmp_path: Path) -> None:
    path = str(write(tmp_path, "a.csv", "x,y\n1,2\n"))
    assert LoadPointsd(KEYS)({"other": 1}) == {"other": 1}
    loaded = LoadPointsd(KEYS, spatial_dims=2)({"moving_keypoints": path})
    assert sorted(map(str, loaded)) == ["moving_keypoints", "moving_keypoints_file"]


def test_load_pointsd_has_the_dimensions_of_the_scan(tmp_path: Path) -> None:
    path = str(write(tmp_path, "a.csv", format_points("a.csv", LPS)))
    for dims in (2, 3):
        loaded = LoadPointsd(KEYS, spatial_dims=None)(
            {"fixed_image": torch.zeros(1, *[4] * dims), "fixed_keypoints": path}
        )
        assert torch.equal(loaded["fixed_keypoints"], LPS[:, :dims])


def test_load_pointsd_rejects_unequal_counts(tmp_path: Path) -> None:
    data = {
        key: str(write(tmp_path, f"{key}.csv", format_points("a.csv", LPS[:count])))
        for key, count in zip(KEYS, (2, 1), strict=True)
    }
    with pytest.raises(ValueError, match="come in pairs, got 2 fixed_keypoints, 1 moving_keypoints"):
        LoadPointsd(KEYS)(data)


@pytest.mark.parametrize("names", [["apex", "base"], []])
def test_load_pointsd_keeps_names(names: list[str], tmp_path: Path) -> None:
    path = str(write(tmp_path, "a.csv", format_points("a.csv", LPS, names)))
    batch = next(iter(DataLoader(Dataset([{"moving_keypoints": path}], LoadPointsd(KEYS)), batch_size=1)))
    (loaded,) = decollate_batch(batch)
    assert list(loaded.get("moving_keypoints_labels", [])) == names
    assert torch.equal(loaded["moving_keypoints"], LPS)


def test_load_pointsd_rejects_another_order(tmp_path: Path) -> None:
    names = [["apex", "base"], ["base", "apex"], ["left", "right"]]
    paths = [str(write(tmp_path, f"{k}.csv", format_points("a.csv", LPS, each))) for k, each in enumerate(names)]
    with pytest.raises(ValueError, match="correspond by their order, but fixed and moving have their names in another"):
        LoadPointsd(KEYS)(dict(zip(KEYS, paths[:2], strict=True)))
    LoadPointsd(KEYS)(dict(zip(KEYS, paths[1:], strict=True)))
