"""What is brought onto the fixed scan; the warping itself has tests of its own."""

import logging
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from monai.data import MetaTensor

from common.spatial import Grid
from common.transforms import WarpToFixedd, field_of, move_points, warp_scan

AFFINE = torch.tensor([[0.0, -3, 0, 10], [2, 0, 0, 20], [0, 0, 1.5, -30], [0, 0, 0, 1]]).double()
SHAPE = (5, 6, 7)
IMAGE = MetaTensor(torch.rand(1, *SHAPE) + 1, affine=AFFINE, meta={"stored_dtype": "int16"})


def constant(lps: tuple[float, ...]) -> MetaTensor:
    """A field that is the same everywhere, mm."""
    return MetaTensor(torch.tensor(lps).view(3, 1, 1, 1).expand(3, *SHAPE).float(), affine=AFFINE)


KEYS = ("moving_image", "moving_label", "moving_keypoints")


def test_warp_to_fixedd_warps_all_that_is_there() -> None:
    label = MetaTensor((IMAGE.as_tensor() * 5).int(), affine=AFFINE)
    points = torch.tensor([[-8.0, -22.0, -25.0]]).double()
    data: dict[str, Any] = {
        "moving_image": IMAGE,
        "moving_label": label,
        "moving_keypoints": points,
        "displacement_field": constant((0, -2, 0)),
    }
    done = WarpToFixedd(KEYS)(data)
    field = field_of(data["displacement_field"])
    assert set(done) == {*data, "warped_image", "warped_label", "warped_keypoints"}
    assert torch.equal(done["warped_image"].as_tensor(), warp_scan(IMAGE, field).as_tensor())
    assert torch.equal(done["warped_label"].as_tensor(), warp_scan(label, field, "nearest").as_tensor())
    torch.testing.assert_close(move_points(done["warped_keypoints"], field), points, atol=1e-2, rtol=0)


def test_warp_to_fixedd_leaves_out_what_is_absent() -> None:
    done = WarpToFixedd(KEYS)({"moving_image": IMAGE, "displacement_field": constant((0, 0, 0))})
    assert set(done) == {"moving_image", "displacement_field", "warped_image"}


def test_warp_to_fixedd_keeps_the_place_of_a_slice() -> None:
    """Two dimensions say nothing about the third axis of the world; the file of the fixed slice does."""
    affine = torch.tensor([[2.0, 0, 0, 10], [0, 3, 0, 20], [0, 0, 8, 50], [0, 0, 0, 1]]).double()
    image = MetaTensor(torch.rand(1, 5, 6), affine=torch.eye(4), meta={"stored_dtype": "int16"})
    data = {"moving_image": image, "displacement_field": MetaTensor(torch.zeros(2, 5, 6), affine=affine)}
    warped = WarpToFixedd(KEYS)(data)["warped_image"]
    assert torch.equal(warped.affine, affine)
    assert warped.meta["stored_dtype"] == "int16"


def test_warp_to_fixedd_names_the_points_it_marks(caplog: pytest.LogCaptureFixture) -> None:
    points = torch.tensor([[-8.0, -22.0, -25.0], [99.0, -22.0, -25.0]]).double()
    data = {
        "moving_keypoints": points,
        "moving_keypoints_labels": ("apex", "base"),
        "displacement_field": constant((0, 0, 0)),
    }
    with caplog.at_level(logging.WARNING, "common"):
        done = WarpToFixedd(KEYS)({**data, "moving_keypoints_file": "m.csv"})
    assert done["warped_keypoints"].isnan().any(dim=1).tolist() == [False, True]
    assert "m.csv: 1 of 2 points have no single place in the fixed scan" in caplog.text
    assert "base beyond the field" in caplog.text


@pytest.mark.parametrize("one_slice", [True, False])
def test_warp_to_fixedd_keeps_the_axes_of_the_fixed_file(one_slice: bool) -> None:
    image = MetaTensor(torch.rand(1, 5, 6), affine=torch.eye(4), meta={"one_slice": not one_slice})
    field = MetaTensor(torch.zeros(2, 5, 6), affine=torch.eye(4), meta={"one_slice": one_slice})
    warped = WarpToFixedd(KEYS)({"moving_image": image, "displacement_field": field})["warped_image"]
    assert warped.meta["one_slice"] == one_slice


def test_warp_to_fixedd_brings_over_what_is_unaligned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the voxels lie is asked once for scan and label map, however they are warped."""
    map_to = Mock(side_effect=Grid.map_to)
    monkeypatch.setattr(Grid, "map_to", lambda grid, affine: map_to(grid, affine))
    label = MetaTensor((IMAGE.as_tensor() * 5).int(), affine=AFFINE)
    data = {"moving_image": IMAGE, "moving_label": label, "displacement_field": constant((0, -2, 0))}
    done = WarpToFixedd(KEYS, unaligned=True)(data)
    assert set(done) == {*data, *(f"{moment}_{k}" for moment in ("warped", "unaligned") for k in ("image", "label"))}
    map_to.assert_called_once()
    assert torch.equal(done["unaligned_label"].as_tensor(), label.as_tensor())
    torch.testing.assert_close(done["unaligned_image"].as_tensor(), IMAGE.as_tensor(), atol=1e-5, rtol=0)


def test_warp_to_fixedd_takes_each_scan_from_its_own_grid() -> None:
    """Headers of a scan and its label map may differ by less than half a voxel."""
    turned = MetaTensor((IMAGE.as_tensor() * 5).int().flip(1), affine=AFFINE @ flip(SHAPE[0]))
    data = {"moving_image": IMAGE, "moving_label": turned, "displacement_field": constant((0, 0, 0))}
    assert torch.equal(WarpToFixedd(KEYS)(data)["warped_label"].as_tensor(), turned.as_tensor().flip(1))


def flip(size: int) -> torch.Tensor:
    matrix = torch.eye(4).double()
    matrix[0, 0], matrix[0, 3] = -1, size - 1
    return matrix
