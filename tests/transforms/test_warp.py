"""Warping in the world, by hand; that ITK does the same is pinned in conventions/test_world.py."""

import pytest
import torch
from monai.data import MetaTensor

from common.io import Field
from common.spatial import (
    Grid,
    displacement_from_world,
    displacement_to_world,
    identity_grid,
    ras_to_lps,
    voxel_to_world,
)
from common.transforms import field_of, invert_field, move_points, pull_points, warp_scan

AFFINE = torch.tensor([[0.0, -3, 0, 10], [2, 0, 0, 20], [0, 0, 1.5, -30], [0, 0, 0, 1]]).double()
SHAPE = (5, 6, 7)
GRID = Grid(SHAPE, AFFINE)
IMAGE = MetaTensor(torch.rand(1, *SHAPE) + 1, affine=AFFINE, meta={"stored_dtype": "int16"})


def world(ddf: torch.Tensor) -> Field:
    """A field given in voxels."""
    return Field(displacement_to_world(ddf[None], AFFINE), Grid(tuple(ddf.shape[1:]), AFFINE))


def voxels(*components: float) -> torch.Tensor:
    """A ddf that is the same everywhere."""
    return torch.tensor(components).float().view(3, 1, 1, 1).expand(3, *SHAPE).clone()


def constant(components: tuple[float, ...]) -> Field:
    return world(voxels(*components))


def test_field_of_by_hand() -> None:
    displacement = MetaTensor(torch.rand(3, *SHAPE), affine=AFFINE)
    field = field_of(displacement)
    assert torch.equal(field.displacement, displacement.as_tensor()[None])
    assert field.grid.shape == SHAPE
    assert torch.equal(field.grid.affine, AFFINE)
    assert field.place is None


def test_field_of_a_slice_keeps_its_place() -> None:
    field = field_of(MetaTensor(torch.rand(2, 5, 6), affine=AFFINE))
    assert torch.equal(field.grid.affine, AFFINE[[0, 1, 3]][:, [0, 1, 3]])
    assert torch.equal(field.affine_3d, AFFINE)


def test_warp_scan_with_a_zero_field_is_the_identity() -> None:
    warped = warp_scan(IMAGE, constant((0, 0, 0)))
    torch.testing.assert_close(warped.as_tensor(), IMAGE.as_tensor(), atol=1e-5, rtol=0)
    assert warped.meta["stored_dtype"] == "int16"
    assert torch.equal(warped.affine, AFFINE)


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
def test_warp_scan_with_an_integer_field_is_a_shift(mode: str) -> None:
    image = MetaTensor(torch.arange(210).reshape(1, *SHAPE).float() + 5, affine=AFFINE)
    warped = warp_scan(image, constant((1, -2, 0)), mode)
    torch.testing.assert_close(warped.as_tensor()[0, :-1, 2:], image.as_tensor()[0, 1:, :-2], atol=1e-3, rtol=0)
    assert (warped[0, -1] == (5 if mode == "bilinear" else 0)).all()


def test_warp_scan_of_a_label_map_keeps_its_type() -> None:
    label = MetaTensor(torch.randint(1, 9, (1, *SHAPE), dtype=torch.int32), affine=AFFINE)
    warped = warp_scan(label, constant((0, 0, 1)), "nearest")
    assert warped.dtype == torch.int32
    assert torch.equal(warped.as_tensor()[..., :-1], label.as_tensor()[..., 1:])
    assert (warped[..., -1] == 0).all()


def test_warp_scan_uses_the_grid_of_the_moving_scan() -> None:
    """A scan stored in another order of axes warps alike."""
    turned = MetaTensor(IMAGE.as_tensor().permute(0, 3, 1, 2), affine=AFFINE[:, [2, 0, 1, 3]])
    field = constant((0.3, -0.4, 0.7))
    torch.testing.assert_close(
        warp_scan(turned, field).as_tensor(), warp_scan(IMAGE, field).as_tensor(), atol=1e-5, rtol=0
    )


def test_move_points_by_hand() -> None:
    points = torch.tensor([[-10.0, -20.0, -30.0]])
    moved = move_points(points, constant((1, 1, 2)))
    assert moved.dtype == torch.float64
    assert moved.tolist() == [[-10 + 3, -20 - 2, -30 + 3]]


def test_move_points_interpolates_linearly() -> None:
    ddf = voxels(0, 0, 0)
    ddf[2] = torch.arange(7.0)  # 0 to 6 voxels of 1.5 mm along the third axis
    points = voxel_to_world(torch.tensor([[1.0, 2.0, 3.25]]).double(), ras_to_lps(AFFINE))
    torch.testing.assert_close(
        move_points(points, world(ddf)) - points, torch.tensor([[0, 0, 3.25 * 1.5]]).double(), atol=1e-5, rtol=0
    )


def test_pull_points_with_a_large_linear_field() -> None:
    """A plain fixed-point iteration diverges here: space is stretched threefold and turned by a right angle."""
    turn = torch.tensor([[0.0, -3, 0], [3, 0, 0], [0, 0, 1]]).double()
    world = voxel_to_world(torch.cartesian_prod(*[torch.arange(n).double() for n in SHAPE]), ras_to_lps(AFFINE))
    displacement = (world @ turn.T + 40 - world).T.reshape(1, 3, *SHAPE).float()
    found = pull_points(world[::10] @ turn.T + 40, Field(displacement, GRID))
    torch.testing.assert_close(found.points, world[::10], atol=1e-2, rtol=0)


def test_pull_points_takes_any_floating_type() -> None:
    points = torch.tensor([[-8.0, -24.0, -25.0]])
    pulled = pull_points(points, constant((1, 0, 0))).points
    torch.testing.assert_close(pulled, torch.tensor([[-8.0, -22.0, -25.0]]).double(), atol=1e-4, rtol=0)


def test_pull_points_far_apart_in_the_world() -> None:
    """A kilometer is 1e6 voxels of a micrometer, more digits than single precision has."""
    far = 1e5 + torch.arange(7.0).view(1, 1, 1, 7)
    displacement = far.expand(3, *SHAPE)[None].clone()
    points = voxel_to_world(torch.tensor([[2.0, 3.0, 4.5]]).double(), ras_to_lps(AFFINE))
    moved = move_points(points, Field(displacement, GRID))
    pulled = pull_points(moved, Field(displacement, GRID))
    torch.testing.assert_close(pulled.points, points, atol=0.02, rtol=0)


def test_pull_points_leaves_undefined_points_undefined() -> None:
    points = torch.tensor([[torch.nan] * 3, [-8.0, -24.0, -25.0]])
    pulled = pull_points(points, constant((0, 0, 0)))
    assert pulled.points.isnan().all(dim=1).tolist() == [True, False]
    assert not (pulled.outside | pulled.folded).any()
    assert move_points(points, constant((0, 0, 0))).isnan().all(dim=1).tolist() == [True, False]


def folding_field() -> Field:
    """Along the third axis it goes forth, back and forth again, to 0, 2, 3.5, 3, 2.5, 4, 6."""
    ddf = voxels(0, 0, 0)
    ddf[2] = torch.tensor([0.0, 1.0, 1.5, 0.0, -1.5, -1.0, 0.0])
    return world(ddf)


def test_pull_points_marks_what_the_field_reaches_several_times() -> None:
    voxels = torch.tensor([[2.0, 3.0, z] for z in (1.0, 2.4, 2.6, 3.4, 3.6, 5.0, 6.8)])
    pulled = pull_points(voxel_to_world(voxels.double(), ras_to_lps(AFFINE)), folding_field())
    assert pulled.folded.tolist() == [False, False, True, True, False, False, False]
    assert pulled.outside.tolist() == [False] * 6 + [True]
    assert pulled.points.isnan().all(dim=1).tolist() == [False, False, True, True, False, False, True]


def test_invert_field_marks_voxels_and_warp_scan_gives_them_the_background() -> None:
    inverse, pulled = invert_field(folding_field(), GRID)
    folded = torch.zeros(SHAPE, dtype=torch.bool)
    folded[..., 3] = True  # 3 lies between 2.5 and 3.5
    assert torch.equal(pulled.folded.view(SHAPE), folded)
    assert not pulled.outside.any()
    assert torch.equal(inverse.displacement.isnan().all(dim=1)[0], folded)
    assert inverse.displacement[0, :, ~folded].isfinite().all()
    label = MetaTensor(torch.full((1, *SHAPE), 7, dtype=torch.int32), affine=AFFINE)
    assert torch.equal(warp_scan(label, inverse, "nearest")[0] == 0, folded)
    assert (warp_scan(IMAGE, inverse)[0][folded] == IMAGE.min()).all()


def test_invert_field_is_the_inverse_of_a_strongly_bent_one() -> None:
    """Sheared by sines three times, with slopes above 1: the inverse is known, and a plain iteration diverges."""
    grid = Grid((40, 36, 44), AFFINE)
    i, j, k = identity_grid(grid.shape)
    a, w = 7.0, 0.2
    i1 = i + a * torch.sin(w * j)
    j1 = j + a * torch.sin(w * i1)
    k1 = k + a * torch.sin(w * (i1 - j1))
    ddf = torch.stack([i1 - i, j1 - j, k1 - k])
    k0 = k - a * torch.sin(w * (i - j))
    j0 = j - a * torch.sin(w * i)
    i0 = i - a * torch.sin(w * j0)
    inverse, _ = invert_field(world(ddf), grid)
    voxels = displacement_from_world(inverse.displacement, AFFINE)[0]
    known = ~voxels.isnan().any(dim=0)
    error = (voxels - torch.stack([i0 - i, j0 - j, k0 - k])).norm(dim=0)[known]
    assert known.float().mean() > 0.5
    assert error.quantile(0.99) < 1  # the field is interpolated linearly
    partners = torch.stack([i0, j0, k0])
    deep = ((partners > 4) & (partners < torch.tensor(grid.shape).view(3, 1, 1, 1) - 5)).all(dim=0)
    assert known[deep].float().mean() > 0.99
    assert error.median() < 0.1


def test_invert_field_of_a_translation() -> None:
    affine = torch.diag(torch.tensor([2.0, 2, 2, 1])).double()
    affine[:3, 3] = torch.tensor([-1.0, 22, -26])
    grid = Grid((4, 3, 2), affine)
    inverse, pulled = invert_field(constant((1, 1, 2)), grid)
    assert inverse.displacement.shape == (1, 3, 4, 3, 2)
    assert inverse.displacement.dtype == torch.float32
    assert inverse.grid is grid
    beyond = inverse.displacement[0].isnan().any(dim=0)
    assert torch.equal(beyond.flatten(), pulled.outside)
    expected = torch.tensor([-3.0, 2, -3]).view(1, 3, 1, 1, 1).expand(1, 3, 4, 3, 2)
    torch.testing.assert_close(inverse.displacement[0][:, ~beyond], expected[0][:, ~beyond], atol=1e-4, rtol=0)
