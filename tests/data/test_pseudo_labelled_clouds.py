"""Drawn points of clouds and their labels."""

from pathlib import Path

import pytest
import torch

from common.data import PseudoLabelledClouds, PseudoLabels
from common.io import InputError


def make(folder: Path, points: tuple[int, int] = (6, 9)) -> PseudoLabelledClouds:
    """Points whose numbers are their coordinates, and labels that repeat them."""
    pairs, labels = [], PseudoLabels(folder)
    for number, (fixed, moving) in enumerate(((8, 12), (10, 9))):
        count = torch.arange(float(fixed + moving))[:, None].expand(-1, 3) + 100 * number
        side = (torch.arange(fixed + moving) >= fixed).float()[:, None]
        pairs.append({"image": torch.cat([count, side], 1), "fixed_cloud": torch.zeros(fixed, 3)})
        labels.write(0, number, count[:fixed], 0.0, "test")
    return PseudoLabelledClouds(pairs, labels, length=4, points=points)


def test_items_have_as_many_points_and_their_labels(tmp_path: Path) -> None:
    data = make(tmp_path)
    data.begin_stage(0)
    for item in (data[index] for index in range(4)):
        assert set(item) == {"image", "pseudo_label"}
        assert item["image"][:, 3].tolist() == [0.0] * 6 + [1.0] * 9
        torch.testing.assert_close(item["pseudo_label"], item["image"][:6, :3])
        assert len(item["image"].unique(dim=0)) == 15


def test_points_depend_on_the_epoch_alone(tmp_path: Path) -> None:
    data, again = make(tmp_path), make(tmp_path)
    first = [data[index]["image"] for index in range(4)]
    data.set_epoch(2)
    assert any(not torch.equal(data[index]["image"], first[index]) for index in range(4))
    assert all(torch.equal(again[index]["image"], first[index]) for index in range(4))


def test_too_many_points_raise(tmp_path: Path) -> None:
    data = make(tmp_path, points=(6, 13))
    with pytest.raises(InputError, match=r"A training with points of \(6, 13\) got a cloud of"):
        data[0]
