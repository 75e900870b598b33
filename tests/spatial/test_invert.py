from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor

from common.spatial import compose, identity_grid, invert_points, jacobian_determinant, sample


class Inverse(NamedTuple):
    """Of all voxels of a field's own grid: displacements `(B, d, *spatial)`, the rest `(B, *spatial)`."""

    ddf: Tensor
    residual: Tensor
    inside: Tensor
    several: Tensor


def invert(ddf: Tensor, **options: Any) -> Inverse:
    places = identity_grid(ddf.shape[2:])
    found = invert_points(places.flatten(1).T.expand(len(ddf), -1, -1), ddf, **options)
    moved = found.points.mT.reshape(ddf.shape) - places
    return Inverse(moved, *(each.reshape(len(ddf), *ddf.shape[2:]) for each in found[1:]))


def test_invert_a_shift() -> None:
    ddf = torch.tensor([1.0, -2.0, 0.5]).view(1, 3, 1, 1, 1).expand(1, 3, 5, 6, 7)
    inverse = invert(ddf)
    torch.testing.assert_close(inverse.ddf, -ddf)
    assert inverse.residual.max() == 0
    # x - 1, y + 2, z - 0.5 have to stay within 5 x 6 x 7 voxels: half a voxel beyond the outermost centers, as in ITK
    assert inverse.inside[0, :, 0, 1].tolist() == [False, True, True, True, True]
    assert inverse.inside[0, 1, :, 1].tolist() == [True] * 4 + [False] * 2
    assert inverse.inside[0, 1, 0].tolist() == [True] * 7


def test_invert_an_affine_field() -> None:
    matrix = torch.tensor([[0.2, -0.3], [0.4, -0.25]])
    places = identity_grid((20, 22)) - 10
    inverse = invert(torch.einsum("ij,jxy->ixy", matrix, places)[None], tolerance=1e-4)
    expected = torch.einsum("ij,jxy->ixy", torch.linalg.inv(torch.eye(2) + matrix) - torch.eye(2), places)
    partners = expected + identity_grid((20, 22))
    inside = ((partners >= 0) & (partners <= torch.tensor([19, 21]).view(2, 1, 1))).all(dim=0)
    assert inside.float().mean() > 0.5
    torch.testing.assert_close(inverse.ddf[0, :, inside], expected[:, inside], rtol=0, atol=1e-3)


def test_invert_converges_for_large_smooth_fields(flow: Callable[..., Tensor]) -> None:
    ddf = flow((40, 44, 48), 23.0, cell=20, seed=1)
    determinant = jacobian_determinant(ddf)
    assert ddf.abs().max() > 15
    assert determinant.min() < 0.4  # where the plain iteration is slow,
    assert determinant.max() > 3  # and where it diverges
    inverse = invert(ddf)
    assert inverse.residual.max() <= 1e-3
    residual = compose(inverse.ddf, ddf).norm(dim=1)
    torch.testing.assert_close(inverse.residual, residual, rtol=0, atol=1e-4)
    there_and_back = compose(ddf, inverse.ddf)[..., 18:-18, 18:-18, 18:-18]
    assert there_and_back.norm(dim=1).quantile(0.9) < 0.2  # both are interpolated


@pytest.mark.parametrize("seed", [0, 3, 9])
def test_invert_helps_voxels_that_get_stuck(flow: Callable[..., Tensor], seed: int) -> None:
    ddf = flow((40, 44), 20.0, cell=12, seed=seed)
    assert jacobian_determinant(ddf, crop=0).min() < 0.3
    inverse = invert(ddf)
    assert inverse.inside.float().mean() > 0.5
    assert inverse.residual[inverse.inside].max() <= 1e-3


def bent(shape: Sequence[int], slope: float = 1.4) -> tuple[Tensor, Tensor]:
    """Shears by sines, one after the other: a field `(d, *shape)` of determinant 1 and its inverse."""
    wave = 0.2
    forward = identity_grid(shape).clone()
    for c in range(len(shape)):
        forward[c] += slope / wave * torch.sin(wave * forward[c - 1])
    backward = identity_grid(shape).clone()
    for c in reversed(range(len(shape))):
        backward[c] -= slope / wave * torch.sin(wave * backward[c - 1])
    return forward - identity_grid(shape), backward - identity_grid(shape)


@pytest.mark.parametrize("shape", [(50, 56), (30, 36, 40)])
def test_invert_a_strongly_bent_field(shape: Sequence[int]) -> None:
    """Where the plain iteration diverges; the residual is SciPy's."""
    ddf, expected = bent(shape)
    inverse = invert(ddf[None])
    places = identity_grid(shape).numpy()
    partners = places + inverse.ddf[0].numpy()
    arrived = partners + [map_coordinates(u.numpy(), partners, order=1, mode="nearest") for u in ddf]
    residual = np.linalg.norm(arrived - places, axis=0)
    np.testing.assert_allclose(inverse.residual[0], residual, atol=1e-4)
    assert residual.max() <= 2e-3
    sure = inverse.inside[0] & ~inverse.several[0]
    assert sure.float().mean() > 0.4
    assert (inverse.ddf[0] - expected).norm(dim=0)[sure].median() < 0.3  # the field is interpolated linearly


def test_invert_points_with_a_large_affine_part(flow: Callable[..., Tensor]) -> None:
    """Turned by 130 degrees, stretched and mirrored, far away, and bent."""
    matrix = torch.tensor([[-0.9, -1.1], [1.2, -0.7]]) @ torch.diag(torch.tensor([-1.0, 1.0]))
    places = identity_grid((40, 44))
    bend = flow((40, 44), 6.0, cell=16, seed=3)[0]
    arrivals = torch.einsum("ij,jxy->ixy", matrix, places + bend) + torch.tensor([500.0, -300.0]).view(2, 1, 1)
    x = 1 + torch.rand(200, 2) * torch.tensor([37.0, 41.0])
    ddf = (arrivals - places)[None]
    found = invert_points(x[None] + sample(ddf, x.T[None]).mT, ddf)
    assert found.residual.max() <= 1e-3
    assert found.inside.all()
    assert not found.several.any()
    torch.testing.assert_close(found.points[0], x, atol=0.02, rtol=0)


def test_invert_says_where_a_field_brings_several_places() -> None:
    """Forth, back and forth again: 0, 2, 3.5, 3, 2.5, 4, 6."""
    u = torch.tensor([0.0, 1, 1.5, 0, -1.5, -1, 0]).view(1, 1, 7, 1).expand(1, 1, 7, 4)
    ddf = torch.cat([u, 0 * u], dim=1)
    assert invert(ddf).several[0, :, 1].tolist() == [False] * 3 + [True] + [False] * 3


def test_invert_says_where_the_partner_lies_outside() -> None:
    inverse = invert(torch.full((1, 1, 5, 6), 2.0).expand(1, 2, 5, 6))
    assert inverse.inside[0].tolist() == [[i >= 2 and j >= 2 for j in range(6)] for i in range(5)]


def test_invert_of_a_field_that_is_no_map_ends() -> None:
    """Everything is brought to one place: nothing else has an inverse, and nothing is claimed."""
    inverse = invert(-identity_grid((6, 7, 8))[None])
    there = inverse.residual <= 1e-3
    assert there[0, 0, 0, 0]
    assert (there & inverse.inside & ~inverse.several).sum() <= 1


def test_invert_treats_the_items_of_a_batch_alone(smooth_noise: Callable[..., Tensor]) -> None:
    first, second = smooth_noise((12, 13), 1.0, seed=1), smooth_noise((12, 13), 2.0, seed=2)
    both = invert(torch.cat([first, second]))
    assert torch.equal(both.ddf[1], invert(second).ddf[0])
    assert both.residual.shape == both.inside.shape == (2, 12, 13)


def test_few_points_begin_coarsely_and_end_where_many_do(flow: Callable[..., Tensor]) -> None:
    ddf = flow((24, 28, 32), 6.0, cell=14, seed=1)
    points = torch.rand(1, 5, 3, generator=torch.Generator().manual_seed(3)) * 12 + 6
    crowd = torch.cat([points, identity_grid((24, 28, 32)).flatten(1).T[None]], dim=1)
    few, many = invert_points(points, ddf), invert_points(crowd, ddf)
    assert few.residual.max() <= 1e-3
    torch.testing.assert_close(few.points, many.points[:, :5], rtol=0, atol=5e-3)


def test_invert_in_portions_is_the_same(smooth_noise: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    ddf = smooth_noise((12, 13, 14), 2.0)
    whole = invert(ddf)
    monkeypatch.setattr("common.spatial.invert.PORTION", 500)
    assert all(torch.equal(a, b) for a, b in zip(invert(ddf), whole, strict=True))


def test_invert_reports_what_is_not_solved(smooth_noise: Callable[..., Tensor]) -> None:
    ddf = smooth_noise((12, 13, 14), 3.0)
    hasty = invert(ddf, iterations=1)
    assert hasty.residual.max() > 0.1
    torch.testing.assert_close(hasty.residual, compose(hasty.ddf, ddf).norm(dim=1), rtol=0, atol=1e-4)
    assert invert(ddf).residual.max() <= 1e-3


def test_invert_has_no_gradient_and_lifts_half_precision() -> None:
    inverse = invert(torch.full((1, 2, 4, 5), 0.5, dtype=torch.bfloat16, requires_grad=True))
    assert inverse.ddf.dtype == torch.float32
    assert not inverse.ddf.requires_grad


def test_invert_rejects_wrong_input() -> None:
    ddf = torch.zeros(1, 3, 5, 6, 7)
    with pytest.raises(ValueError, match=r"invert_points\(\) expects 'ddf' of shape \(1, 3, 5, 6, 7\), got \(1, 1, 5,"):
        invert_points(torch.zeros(1, 4, 3), ddf[:, :1])
    with pytest.raises(ValueError, match=r"invert_points\(\) expects 'iterations' of 1 or more, got 0\."):
        invert_points(torch.zeros(1, 4, 3), ddf, iterations=0)
    with pytest.raises(ValueError, match=r"invert_points\(\) expects 'points' of shape \(1, N, 3\), got \(1, 3, 4\)\."):
        invert_points(torch.zeros(1, 3, 4), ddf)
    with pytest.raises(ValueError, match=r"invert_points\(\) expects 'points' of shape \(1, N, 3\), got \(2, 4, 3\)\."):
        invert_points(torch.zeros(2, 4, 3), ddf)
    with pytest.raises(
        TypeError, match=r"invert_points\(\) expects 'points' of floating point numbers, got torch.int6"
    ):
        invert_points(torch.zeros(1, 4, 3, dtype=torch.long), ddf)
