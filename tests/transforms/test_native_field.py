"""The network's field and the pre-alignment become one field on the fixed grid."""

from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.spatial import Grid, ras_to_lps, voxel_to_world
from common.transforms import NativeFieldd, native_displacement

FIXED = Grid((5, 6, 7), torch.tensor([[0.0, -3, 0.4, 10], [2, 0.5, 0, 20], [0.3, 0, 1.5, -30], [0, 0, 0, 1]]).double())
WORKING = Grid((3, 4, 3), torch.tensor([[5.0, 0, 0, -15], [0, 5, 0, 15], [0, 0, 5, -30], [0, 0, 0, 1]]).double())
T = torch.tensor([[0.9, 0.2, 0, 30], [-0.1, 1.1, 0.1, -20], [0, 0.05, 1.2, 10], [0, 0, 0, 1]]).double()


def world(grid: Grid) -> torch.Tensor:
    """Voxel centers, LPS mm, ``(d, *shape)``, float64."""
    points = torch.cartesian_prod(*[torch.arange(n).double() for n in grid.shape])
    return voxel_to_world(points, ras_to_lps(grid.affine)).T.reshape(-1, *grid.shape)


def apply(matrix: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    dims = len(points)
    shift = matrix[:-1, -1].view(dims, *[1] * dims)
    return torch.einsum("ij,j...->i...", matrix[:-1, :-1], points) + shift


def close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual[0].double(), expected, atol=1e-4, rtol=0)


def test_native_fieldd_lets_nothing_on_that_is_not_finite() -> None:
    scan = MetaTensor(torch.ones(1, *FIXED.shape), affine=FIXED.affine)
    ddf = torch.zeros(3, *WORKING.shape)
    ddf[0, 0, 0, 0] = torch.nan
    image = MetaTensor(torch.ones(2, *WORKING.shape), affine=WORKING.affine)
    data = {"pred": ddf, "fixed_image": scan, "image": image, "initial_transform": torch.eye(4)}
    with pytest.raises(ValueError, match="The displacement is not finite: are the weights damaged"):
        NativeFieldd("pred")(data)


def test_native_displacement_of_nothing_is_nothing() -> None:
    zero = native_displacement(torch.zeros(1, 3, *WORKING.shape), WORKING, FIXED, torch.eye(4).double())
    assert zero.shape == (1, 3, *FIXED.shape)
    assert (zero == 0).all()


def test_native_displacement_of_a_zero_ddf_is_the_pre_alignment() -> None:
    p = world(FIXED)
    close(native_displacement(torch.zeros(1, 3, *WORKING.shape), WORKING, FIXED, T), apply(T, p) - p)


def test_native_displacement_of_a_constant_ddf() -> None:
    """One working voxel along each axis is w = (-5, -5, 5) mm in LPS; u = T(p + w) - p, not T(p) + w - p."""
    w = torch.tensor([-5.0, -5, 5]).double().view(3, 1, 1, 1)
    p = world(FIXED)
    close(native_displacement(torch.ones(1, 3, *WORKING.shape), WORKING, FIXED, T), apply(T, p + w) - p)


def test_native_displacement_of_a_linear_ddf_is_exact() -> None:
    """Resampling a linear field to finer voxels changes nothing but their number."""
    fine = Grid((5, 7, 5), WORKING.affine @ torch.diag(torch.tensor([0.5, 0.5, 0.5, 1])).double())
    slope = torch.tensor([[0.1, 0.2, 0], [0, -0.1, 0.1], [0.05, 0, 0.2]]).double()
    voxels = torch.from_numpy(np.indices(WORKING.shape)).double()
    ddf = torch.einsum("ij,j...->i...", slope, voxels).float()[None]
    axes = ras_to_lps(WORKING.affine)[:-1, :-1]
    p = world(fine)
    from_first = p - ras_to_lps(WORKING.affine)[:-1, -1].view(3, 1, 1, 1)
    w = torch.einsum("ij,j...->i...", axes @ slope @ torch.linalg.inv(axes), from_first)
    close(native_displacement(ddf, WORKING, fine, T), apply(T, p + w) - p)


def test_native_displacement_adds_a_refinement_which_goes_on_beyond_its_grid() -> None:
    """The refinement is 3 mm more along x every voxel of its own grid of two voxels, in the middle of the scan."""
    ddf = torch.rand(1, 3, *WORKING.shape)
    place = FIXED.affine.clone()
    place[:3, 3] = (FIXED.affine @ torch.tensor([2.0, 1, 1, 1]).double())[:3]
    ramp = torch.zeros(3, 2, 2, 2)
    ramp[0, 1] = 3.0
    refined = native_displacement(ddf, WORKING, FIXED, torch.eye(4).double(), MetaTensor(ramp, affine=place))
    added = (refined - native_displacement(ddf, WORKING, FIXED, torch.eye(4).double()))[0]
    expected = torch.tensor([0.0, 0, 0, *[3.0] * (FIXED.shape[0] - 3)]).view(-1, 1, 1).expand(FIXED.shape)
    torch.testing.assert_close(added[0], expected, atol=1e-4, rtol=0)
    assert added[1:].abs().max() < 1e-4
    turned = native_displacement(ddf, WORKING, FIXED, T, MetaTensor(ramp, affine=place))
    turned -= native_displacement(ddf, WORKING, FIXED, T)
    close(turned, torch.einsum("ij,j...->i...", T[:3, :3], added.double()))


def test_native_displacement_in_2d() -> None:
    fixed = Grid((5, 6), torch.tensor([[0.0, -3, 10], [2, 0.5, 20], [0, 0, 1]]).double())
    working = Grid((3, 4), torch.tensor([[5.0, 0, -15], [0, 5, 15], [0, 0, 1]]).double())
    matrix = torch.tensor([[0.9, 0.2, 30], [-0.1, 1.1, -20], [0, 0, 1]]).double()
    p = world(fixed)
    w = torch.tensor([-5.0, -5]).double().view(2, 1, 1)
    close(native_displacement(torch.ones(1, 2, 3, 4), working, fixed, matrix), apply(matrix, p + w) - p)


def test_native_displacement_reads_half_precision() -> None:
    ddf = torch.rand(1, 3, *WORKING.shape).half()
    half = native_displacement(ddf, WORKING, FIXED, T)
    torch.testing.assert_close(half, native_displacement(ddf.float(), WORKING, FIXED, T))


def test_native_fieldd_is_in_the_world_on_the_fixed_grid() -> None:
    ddf = torch.rand(3, *WORKING.shape, requires_grad=True)
    data: dict[str, Any] = {
        "fixed_image": MetaTensor(torch.zeros(1, *FIXED.shape), affine=FIXED.affine),
        "image": MetaTensor(torch.zeros(2, *WORKING.shape), affine=WORKING.affine),
        "initial_transform": T.tolist(),
        "pred": ddf,
    }
    done = NativeFieldd()(data)
    field = done["displacement_field"]
    assert not field.requires_grad
    assert torch.equal(field.affine, FIXED.affine)
    assert torch.equal(field.as_tensor(), native_displacement(ddf.detach()[None], WORKING, FIXED, T)[0])
    assert done["pred"] is ddf, "the network's answer keeps its meaning"


@pytest.mark.parametrize("one_slice", [True, False])
def test_native_fieldd_keeps_whether_the_fixed_file_has_a_third_axis(one_slice: bool) -> None:
    fixed = MetaTensor(torch.zeros(1, 4, 5), affine=torch.eye(4), meta={"one_slice": one_slice})
    data = {"fixed_image": fixed, "image": fixed, "pred": torch.zeros(2, 4, 5), "initial_transform": torch.eye(3)}
    assert NativeFieldd()(data)["displacement_field"].meta["one_slice"] == one_slice
