"""One convention: every row of the design's table that is about fields, with MONAI, SciPy and ITK as referees.

All volumes are asymmetric, all grids oblique and anisotropic: a square input would hide the very mistakes these tests
are for, such as swapped axes, a wrong sign or a missing voxel size.
"""

import ast
import warnings
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 its own documentation's name
import torch
from monai.networks.blocks import Warp
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation
from torch import Tensor

from common.spatial import (
    compose,
    displacement_from_world,
    displacement_to_world,
    folding_percent,
    identity_grid,
    jacobian_determinant,
    ras_to_lps,
    sample,
    sdlogj,
    voxel_to_world,
    warp,
    world_to_voxel,
)

SHAPE = (5, 6, 7)
SPACING = (0.8, 1.5, 2.5)


@pytest.fixture
def affine() -> np.ndarray:
    """RAS affine of an oblique, anisotropic, left-handed grid."""
    matrix = np.eye(4)
    directions = Rotation.from_euler("xyz", [20, -35, 50], degrees=True).as_matrix() @ np.diag([1, -1, 1])
    matrix[:3, :3] = directions * SPACING
    matrix[:3, 3] = -31.0, 17.0, 5.5
    return matrix


@pytest.fixture
def image() -> Tensor:
    return torch.rand(1, 1, *SHAPE, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def ddf() -> Tensor:
    return 1.5 * torch.randn(1, 3, *SHAPE, generator=torch.Generator().manual_seed(2))


def to_itk(array: np.ndarray, affine: np.ndarray, vectors: bool = False) -> sitk.Image:
    """ITK image of an array `(i, j, k)` or `(i, j, k, 3)`; ITK's arrays are in the order k, j, i."""
    itk_image = sitk.GetImageFromArray(np.swapaxes(array, 0, 2), isVector=vectors)
    lps = ras_to_lps(affine).numpy()
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    itk_image.SetSpacing(spacing.tolist())
    itk_image.SetOrigin(lps[:3, 3].tolist())
    itk_image.SetDirection((lps[:3, :3] / spacing).flatten().tolist())
    return itk_image


def itk_warp(image: Tensor, ddf: Tensor, affine: np.ndarray, interpolator: int, fill: float) -> Tensor:
    moving = to_itk(image[0, 0].numpy(), affine)
    world = displacement_to_world(ddf, affine)[0].movedim(0, -1).double().numpy()
    transform = sitk.DisplacementFieldTransform(to_itk(world, affine, vectors=True))
    warped = sitk.Resample(moving, moving, transform, interpolator, fill)
    return torch.from_numpy(np.swapaxes(sitk.GetArrayFromImage(warped), 0, 2).copy())[None, None]


def test_convention_channel_c_moves_along_axis_c_in_voxels() -> None:
    for axis, steps in enumerate((1, 2, 3)):
        point = torch.zeros(1, 1, *SHAPE)
        point[0, 0, 2, 3, 4] = 1
        ddf = torch.zeros(1, 3, *SHAPE)
        ddf[:, axis] = steps
        place = [2, 3, 4]
        place[axis] -= steps  # pull-back: the fixed voxel that looks `steps` ahead shows the point
        assert warp(point, ddf).nonzero()[0, 2:].tolist() == place


def test_convention_fixed_point_corresponds_to_moving_point_x_plus_u(image: Tensor, ddf: Tensor) -> None:
    x = torch.tensor([[[2.0, 3.0, 4.0]]])
    y = x + sample(ddf, x.mT).mT
    assert torch.allclose(y[0, 0], x[0, 0] + ddf[0, :, 2, 3, 4])
    torch.testing.assert_close(sample(image, y.mT)[0, 0, 0], warp(image, ddf)[0, 0, 2, 3, 4])


def test_convention_warp_is_monais_warp(image: Tensor, ddf: Tensor) -> None:
    with warnings.catch_warnings():  # MONAI says at every construction that it runs without its extension
        warnings.simplefilter("ignore")
        referee = Warp(mode="bilinear", padding_mode="border")
    torch.testing.assert_close(warp(image, ddf), referee(image, ddf), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("mode", "order"), [("bilinear", 1), ("nearest", 0)])
def test_convention_warp_is_scipys_map_coordinates(image: Tensor, ddf: Tensor, mode: str, order: int) -> None:
    places = (np.indices(SHAPE) + ddf[0].numpy()).astype(np.float64)
    expected = map_coordinates(image[0, 0].numpy(), places, order=order, mode="nearest")
    torch.testing.assert_close(warp(image, ddf, mode)[0, 0], torch.from_numpy(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("mode", "interpolator"), [("bilinear", sitk.sitkLinear), ("nearest", sitk.sitkNearestNeighbor)]
)
def test_convention_world_displacement_in_itk_gives_the_same_warp(
    image: Tensor, ddf: Tensor, affine: np.ndarray, mode: str, interpolator: int
) -> None:
    expected = itk_warp(image, ddf, affine, interpolator, fill=-3)
    warped = warp(image, ddf, mode, padding="inside", fill=-3)
    assert (warped == -3).any()
    assert (warped != -3).float().mean() > 0.4
    torch.testing.assert_close(warped, expected, rtol=0, atol=1e-5)


def test_convention_world_formula(ddf: Tensor, affine: np.ndarray) -> None:
    """u_lps = diag(-1, -1, 1) A[:3, :3] u_voxels."""
    expected = np.einsum("ij,j...->i...", np.diag([-1, -1, 1]) @ affine[:3, :3], ddf[0].double().numpy())
    world = displacement_to_world(ddf, affine)
    np.testing.assert_allclose(world[0].numpy(), expected, atol=1e-5)
    torch.testing.assert_close(displacement_from_world(world, affine), ddf, rtol=0, atol=1e-5)


def test_convention_voxels_and_world_are_itks(affine: np.ndarray) -> None:
    itk_image = to_itk(np.zeros(SHAPE), affine)
    voxel = [1.5, -2.0, 3.25]
    world = voxel_to_world(torch.tensor(voxel, dtype=torch.float64), ras_to_lps(affine))
    assert world.tolist() == pytest.approx(itk_image.TransformContinuousIndexToPhysicalPoint(voxel))
    assert world_to_voxel(world, ras_to_lps(affine)).tolist() == pytest.approx(voxel)


def test_convention_composition_is_itks(affine: np.ndarray) -> None:
    """A point is moved by the first field and from there by the second; ITK's list runs its last one first."""
    noise = torch.randn(2, 1, 3, *SHAPE, generator=torch.Generator().manual_seed(3))
    first, second = 0.4 * noise
    worlds = [displacement_to_world(u, affine)[0].movedim(0, -1).double().numpy() for u in (second, first)]
    transforms = [sitk.DisplacementFieldTransform(to_itk(world, affine, vectors=True)) for world in worlds]
    x = (2, 3, 4)
    lps = ras_to_lps(affine)
    there = sitk.CompositeTransform(transforms).TransformPoint(voxel_to_world(torch.tensor(x), lps).tolist())
    moved = torch.tensor(x) + compose(first, second)[(0, slice(None), *x)]
    assert voxel_to_world(moved.double(), lps).tolist() == pytest.approx(there, abs=1e-4)
    assert voxel_to_world(moved.double(), lps).tolist() != pytest.approx(
        voxel_to_world(torch.tensor(x) + compose(second, first)[(0, slice(None), *x)].double(), lps).tolist(), abs=1e-2
    )


def test_convention_composed_field_warps_by_the_second_then_the_first(image: Tensor) -> None:
    """Integer shifts interpolate nothing: `warp(m, compose(u, v)) == warp(warp(m, v), u)` to the bit."""
    u, v = torch.zeros(2, 1, 3, *SHAPE)
    u[:, 0] = 1
    v[:, 0], v[:, 2] = identity_grid(SHAPE)[0] % 2, 2
    composed = warp(image, compose(u, v), "nearest")[:, :, :-2, :, :-2]
    assert torch.equal(composed, warp(warp(image, v, "nearest"), u, "nearest")[:, :, :-2, :, :-2])
    assert not torch.equal(composed, warp(warp(image, u, "nearest"), v, "nearest")[:, :, :-2, :, :-2])


def test_convention_fields_stay_float32_under_mixed_precision(image: Tensor, ddf: Tensor, affine: np.ndarray) -> None:
    functions = [
        lambda: warp(image, ddf),
        lambda: compose(ddf, ddf),
        lambda: displacement_to_world(ddf, affine),
        lambda: jacobian_determinant(ddf),
    ]
    for function in functions:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mixed = function()
        assert mixed.dtype == torch.float32
        assert torch.equal(mixed, function())


def test_convention_jacobian() -> None:
    """det(I + grad u) by central differences, crop 2; folding where it is not above 0; SDlogJ shifted by 3."""
    ddf = torch.randn(1, 3, 8, 9, 10, generator=torch.Generator().manual_seed(4))
    slopes = [np.gradient(ddf[0].double().numpy(), axis=axis + 1) for axis in range(3)]
    matrices = np.moveaxis(np.stack(slopes, axis=1), (0, 1), (-2, -1)) + np.eye(3)
    expected = np.linalg.det(matrices)[2:-2, 2:-2, 2:-2]
    determinant = jacobian_determinant(ddf)
    np.testing.assert_allclose(determinant[0, 0].numpy(), expected, atol=1e-5)
    assert folding_percent(determinant).item() == pytest.approx(100 * (expected <= 0).mean())
    assert 0 < folding_percent(determinant).item() < 100
    logarithm = np.log(np.clip(expected + 3, 1e-9, 1e9))
    assert sdlogj(determinant).item() == pytest.approx(logarithm.std(ddof=1), abs=1e-5)


def test_convention_normalized_coordinates_live_in_one_place() -> None:
    """Only grid.py knows how they are made, only sample.py asks for them, only _grid_sample.py hands them on."""
    makers, askers, users = set(), set(), set()
    for path in (Path(__file__).parents[2] / "common" / "spatial").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and "normalized" in node.name:
                makers.add(path.name)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "to_normalized":
                askers.add(path.name)
            if isinstance(node, ast.Attribute) and node.attr in ("grid_sample", "affine_grid"):
                users.add(path.name)
    assert (makers, askers, users) == ({"grid.py"}, {"sampling.py"}, {"_grid_sample.py"})
