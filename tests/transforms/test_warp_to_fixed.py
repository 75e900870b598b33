"""What is brought onto the fixed scan; the warping itself has tests of its own."""

import logging

import pytest
import torch
from monai.data import MetaTensor

from common.transforms import WarpToFixedd, field_of, move_points, warp_scan

AFFINE = torch.tensor([[0.0, -3, 0, 10], [2, 0, 0, 20], [0, 0, 1.5, -30], [0, 0, 0, 1]]).double()
SHAPE = (5, 6, 7)
IMAGE = MetaTensor(torch.rand(1, *SHAPE) + 1, affine=AFFINE, meta={"stored_dtype": "int16"})


def constant(voxels: tuple[float, ...]) -> MetaTensor:
    """A ddf that is the same everywhere."""
    return MetaTensor(torch.tensor(voxels).view(3, 1, 1, 1).expand(3, *SHAPE).clone(), affine=AFFINE)


KEYS = ("moving_image", "moving_label", "moving_keypoints")


def test_warp_to_fixedd_warps_all_that_is_there() -> None:
    label = MetaTensor((IMAGE.as_tensor() * 5).int(), affine=AFFINE)
    points = torch.tensor([[-8.0, -22.0, -25.0]]).double()
    data = {"moving_image": IMAGE, "moving_label": label, "moving_keypoints": points, "pred": constant((1, 0, 0))}
    done = WarpToFixedd(KEYS)(data)
    field = field_of(data["pred"])
    assert set(done) == {*data, "warped_image", "warped_label", "warped_keypoints"}
    assert torch.equal(done["warped_image"].as_tensor(), warp_scan(IMAGE, field).as_tensor())
    assert torch.equal(done["warped_label"].as_tensor(), warp_scan(label, field, "nearest").as_tensor())
    torch.testing.assert_close(move_points(done["warped_keypoints"], field), points, atol=1e-2, rtol=0)


def test_warp_to_fixedd_leaves_out_what_is_absent() -> None:
    done = WarpToFixedd(KEYS, ddf_key="ddf")({"moving_image": IMAGE, "ddf": constant((0, 0, 0))})
    assert set(done) == {"moving_image", "ddf", "warped_image"}


def test_warp_to_fixedd_keeps_the_place_of_a_slice() -> None:
    """Two dimensions say nothing about the third axis of the world; the file of the fixed slice does."""
    affine = torch.tensor([[2.0, 0, 0, 10], [0, 3, 0, 20], [0, 0, 8, 50], [0, 0, 0, 1]]).double()
    image = MetaTensor(torch.rand(1, 5, 6), affine=torch.eye(4), meta={"stored_dtype": "int16"})
    data = {"moving_image": image, "pred": MetaTensor(torch.zeros(2, 5, 6), affine=affine)}
    warped = WarpToFixedd(KEYS)(data)["warped_image"]
    assert torch.equal(warped.affine, affine)
    assert warped.meta["stored_dtype"] == "int16"


def test_warp_to_fixedd_names_the_points_it_marks(caplog: pytest.LogCaptureFixture) -> None:
    points = torch.tensor([[-8.0, -22.0, -25.0], [99.0, -22.0, -25.0]]).double()
    data = {"moving_keypoints": points, "moving_keypoints_labels": ("apex", "base"), "pred": constant((0, 0, 0))}
    with caplog.at_level(logging.WARNING, "common"):
        done = WarpToFixedd(KEYS)({**data, "moving_keypoints_file": "m.csv"})
    assert done["warped_keypoints"].isnan().any(dim=1).tolist() == [False, True]
    assert "m.csv: 1 of 2 points have no single place in the fixed scan" in caplog.text
    assert "base beyond the field" in caplog.text


@pytest.mark.parametrize("one_slice", [True, False])
def test_warp_to_fixedd_keeps_the_axes_of_the_fixed_file(one_slice: bool) -> None:
    image = MetaTensor(torch.rand(1, 5, 6), affine=torch.eye(4), meta={"one_slice": not one_slice})
    pred = MetaTensor(torch.zeros(2, 5, 6), affine=torch.eye(4), meta={"one_slice": one_slice})
    assert WarpToFixedd(KEYS)({"moving_image": image, "pred": pred})["warped_image"].meta["one_slice"] == one_slice
