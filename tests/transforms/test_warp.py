"""Warping in the world, by hand; that ITK does the same is pinned in conventions/test_world.py."""

import pytest
import torch
from monai.data import MetaTensor

from common.io import Field
from common.spatial import Grid, ras_to_lps, voxel_to_world
from common.transforms import WarpToFixedd, field_of, invert_field, move_points, pull_points, warp_scan

AFFINE = torch.tensor([[0.0, -3, 0, 10], [2, 0, 0, 20], [0, 0, 1.5, -30], [0, 0, 0, 1]]).double()
SHAPE = (5, 6, 7)
GRID = Grid(SHAPE, AFFINE)
IMAGE = MetaTensor(torch.rand(1, *SHAPE) + 1, affine=AFFINE, meta={"stored_dtype": "int16"})


def constant(voxels: tuple[float, ...]) -> MetaTensor:
    """A ddf that is the same everywhere."""
    return MetaTensor(torch.tensor(voxels).view(3, 1, 1, 1).expand(3, *SHAPE).clone(), affine=AFFINE)


def test_field_of_by_hand() -> None:
    """One voxel along the first axis is 2 mm to the front, which LPS counts backwards."""
    field = field_of(constant((1, 0, 0)))
    assert field.displacement.shape == (1, 3, *SHAPE)
    assert field.displacement[0, :, 1, 2, 3].tolist() == [0, -2, 0]
    assert field.grid.shape == SHAPE
    assert torch.equal(field.grid.affine, AFFINE)


def test_warp_scan_with_a_zero_field_is_the_identity() -> None:
    warped = warp_scan(IMAGE, field_of(constant((0, 0, 0))))
    torch.testing.assert_close(warped.as_tensor(), IMAGE.as_tensor(), atol=1e-5, rtol=0)
    assert warped.meta["stored_dtype"] == "int16"
    assert torch.equal(warped.affine, AFFINE)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_warp_scan_with_an_integer_field_is_a_shift(mode: str) -> None:
    image = MetaTensor(torch.arange(210).reshape(1, *SHAPE).float() + 5, affine=AFFINE)
    warped = warp_scan(image, field_of(constant((1, -2, 0))), mode)
    torch.testing.assert_close(warped[0, :-1, 2:].as_tensor(), image[0, 1:, :-2].as_tensor(), atol=1e-3, rtol=0)
    assert (warped[0, -1] == (5 if mode == "bilinear" else 0)).all()


def test_warp_scan_of_a_label_map_keeps_its_type() -> None:
    label = MetaTensor(torch.randint(1, 9, (1, *SHAPE), dtype=torch.int32), affine=AFFINE)
    warped = warp_scan(label, field_of(constant((0, 0, 1))), "nearest")
    assert warped.dtype == torch.int32
    assert torch.equal(warped[..., :-1].as_tensor(), label[..., 1:].as_tensor())
    assert (warped[..., -1] == 0).all()


def test_warp_scan_uses_the_grid_of_the_moving_scan() -> None:
    """A scan stored in another order of axes warps alike."""
    turned = MetaTensor(IMAGE.as_tensor().permute(0, 3, 1, 2), affine=AFFINE[:, [2, 0, 1, 3]])
    field = field_of(constant((0.3, -0.4, 0.7)))
    torch.testing.assert_close(
        warp_scan(turned, field).as_tensor(), warp_scan(IMAGE, field).as_tensor(), atol=1e-5, rtol=0
    )


def test_move_points_by_hand() -> None:
    points = torch.tensor([[-10.0, -20.0, -30.0]])
    moved = move_points(points, field_of(constant((1, 1, 2))))
    assert moved.dtype == torch.float64
    assert moved.tolist() == [[-10 + 3, -20 - 2, -30 + 3]]


def test_move_points_interpolates_linearly() -> None:
    ddf = constant((0, 0, 0))
    ddf[2] = torch.arange(7.0)  # 0 to 6 voxels of 1.5 mm along the third axis
    points = voxel_to_world(torch.tensor([[1.0, 2.0, 3.25]]).double(), ras_to_lps(AFFINE))
    torch.testing.assert_close(
        move_points(points, field_of(ddf)) - points, torch.tensor([[0, 0, 3.25 * 1.5]]).double(), atol=1e-5, rtol=0
    )


def test_pull_points_with_a_large_linear_field() -> None:
    """A plain fixed-point iteration diverges here: space is stretched threefold and turned by a right angle."""
    turn = torch.tensor([[0.0, -3, 0], [3, 0, 0], [0, 0, 1]]).double()
    world = voxel_to_world(torch.cartesian_prod(*[torch.arange(n).double() for n in SHAPE]), ras_to_lps(AFFINE))
    displacement = (world @ turn.T + 40 - world).T.reshape(1, 3, *SHAPE).float()
    found = pull_points(world[::10] @ turn.T + 40, Field(displacement, GRID))
    torch.testing.assert_close(found, world[::10], atol=1e-2, rtol=0)


def test_pull_points_takes_any_floating_type() -> None:
    points = torch.tensor([[1.0, 2.0, 3.0]])
    pulled = pull_points(points, field_of(constant((1, 0, 0))))
    torch.testing.assert_close(pulled, torch.tensor([[1.0, 4.0, 3.0]]).double(), atol=1e-4, rtol=0)


def test_invert_field_of_a_translation() -> None:
    grid = Grid((4, 3, 2), torch.diag(torch.tensor([2.0, 2, 2, 1])).double())
    inverse = invert_field(field_of(constant((1, 1, 2))), grid)
    assert inverse.displacement.shape == (1, 3, 4, 3, 2)
    assert inverse.displacement.dtype == torch.float32
    assert inverse.grid is grid
    expected = torch.tensor([-3.0, 2, -3]).view(1, 3, 1, 1, 1).expand(1, 3, 4, 3, 2)
    torch.testing.assert_close(inverse.displacement, expected, atol=1e-4, rtol=0)


KEYS = ("moving_image", "moving_label", "moving_keypoints")


def test_warp_to_fixedd_warps_all_that_is_there() -> None:
    label = MetaTensor((IMAGE.as_tensor() * 5).int(), affine=AFFINE)
    points = torch.tensor([[1.0, 2.0, 3.0]]).double()
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
