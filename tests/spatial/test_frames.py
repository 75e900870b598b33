import numpy as np
import pytest
import torch
from nibabel.affines import apply_affine

from common.spatial import displacement_from_world, displacement_to_world, ras_to_lps, voxel_to_world, world_to_voxel

OBLIQUE = np.array(
    [[1.2, -0.9, 0.3, -17.0], [0.8, 1.6, -0.5, 21.0], [-0.1, 0.7, 2.4, 4.0], [0.0, 0.0, 0.0, 1.0]], dtype=np.float64
)
FLAT = np.array([[0.8, -0.9, 5.0], [0.6, 1.2, -3.0], [0.0, 0.0, 1.0]])


def test_ras_to_lps_reverses_two_world_axes() -> None:
    assert ras_to_lps(OBLIQUE)[:, 3].tolist() == [17, -21, 4, 1]
    assert ras_to_lps(FLAT)[:, 2].tolist() == [-5, 3, 1]
    assert torch.equal(ras_to_lps(ras_to_lps(OBLIQUE)), torch.from_numpy(OBLIQUE))


def test_ras_to_lps_leaves_its_input_alone() -> None:
    affine = torch.eye(4, dtype=torch.float64)
    assert ras_to_lps(affine)[0, 0] == -1
    assert affine[0, 0] == 1


def test_ras_to_lps_takes_lists() -> None:
    assert ras_to_lps(OBLIQUE.tolist()).dtype == torch.float64


def test_voxel_to_world_agrees_with_nibabel() -> None:
    points = np.random.default_rng(0).normal(size=(2, 4, 3))
    expected = apply_affine(OBLIQUE, points)
    np.testing.assert_allclose(voxel_to_world(torch.from_numpy(points), OBLIQUE).numpy(), expected)


@pytest.mark.parametrize("affine", [OBLIQUE, FLAT], ids=["3d", "2d"])
def test_world_to_voxel_undoes_voxel_to_world(affine: np.ndarray) -> None:
    points = torch.randn(5, len(affine) - 1) * 100
    back = world_to_voxel(voxel_to_world(points, affine), affine)
    assert back.dtype == torch.float32
    torch.testing.assert_close(back, points, rtol=0, atol=1e-4)


def test_voxel_to_world_of_integers_is_exact() -> None:
    world = voxel_to_world(torch.tensor([[1, 0, 0]]), OBLIQUE)
    assert world.dtype == torch.float64
    assert world.tolist() == [[1.2 - 17.0, 0.8 + 21.0, -0.1 + 4.0]]


@pytest.mark.parametrize(("affine", "shape"), [(OBLIQUE, (5, 6, 7)), (FLAT, (6, 7))], ids=["3d", "2d"])
def test_displacement_to_world_is_what_points_move_by(affine: np.ndarray, shape: tuple[int, ...]) -> None:
    ddf = torch.randn(1, len(shape), *shape)
    world = displacement_to_world(ddf, affine)
    place = torch.tensor([2.0, 3.0, 4.0])[: len(shape)]
    where = (0, slice(None), *place.long().tolist())
    lps = ras_to_lps(affine)
    moved = voxel_to_world(place + ddf[where], lps) - voxel_to_world(place, lps)
    torch.testing.assert_close(world[where], moved, rtol=0, atol=1e-4)
    torch.testing.assert_close(displacement_from_world(world, affine), ddf, rtol=0, atol=1e-5)


def test_displacement_to_world_is_exact_under_autocast() -> None:
    ddf = torch.randn(1, 3, 5, 6, 7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = displacement_to_world(ddf, OBLIQUE)
        points = voxel_to_world(ddf.movedim(1, -1), OBLIQUE)
    assert torch.equal(mixed, displacement_to_world(ddf, OBLIQUE))
    assert torch.equal(points, voxel_to_world(ddf.movedim(1, -1), OBLIQUE))


def test_displacement_gradient() -> None:
    ddf = torch.randn(1, 3, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    points = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda u: displacement_to_world(u, OBLIQUE), ddf)
    assert torch.autograd.gradcheck(lambda p: world_to_voxel(p, OBLIQUE), points)


def test_frames_reject_wrong_input() -> None:
    singular = np.diag([1.0, 0.0, 1.0, 1.0])
    with pytest.raises(
        ValueError, match=r"ras_to_lps\(\) expects 'affine' of shape \(3, 3\) or \(4, 4\), got \(3, 4\)"
    ):
        ras_to_lps(OBLIQUE[:3])
    with pytest.raises(ValueError, match=r"voxel_to_world\(\) expects 'points' of shape \(\.\.\., 3\), got \(4, 2\)\."):
        voxel_to_world(torch.zeros(4, 2), OBLIQUE)
    with pytest.raises(ValueError, match=r"world_to_voxel\(\) expects an affine with an inverse, got"):
        world_to_voxel(torch.zeros(4, 3), singular)
    with pytest.raises(ValueError, match=r"displacement_to_world\(\) expects 'affine_ras' of shape \(3, 3\), got \(4"):
        displacement_to_world(torch.zeros(1, 2, 6, 7), OBLIQUE)
    with pytest.raises(ValueError, match=r"displacement_from_world\(\) expects 'displacement' of shape \(1, 3, 5, 6"):
        displacement_from_world(torch.zeros(1, 5, 6, 7, 3), OBLIQUE)
