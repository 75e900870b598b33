from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from common.spatial import compose, exponentiate, identity_grid, invert, jacobian_determinant


def test_invert_a_shift() -> None:
    ddf = torch.tensor([1.0, -2.0, 0.5]).view(1, 3, 1, 1, 1).expand(1, 3, 5, 6, 7)
    inverse = invert(ddf)
    torch.testing.assert_close(inverse.ddf, -ddf)
    assert inverse.residual.max() == 0
    # x - 1, y + 2, z - 0.5 have to stay within 5 x 6 x 7
    assert inverse.inside[0, :, 0, 1].tolist() == [False, True, True, True, True]
    assert inverse.inside[0, 1, :, 1].tolist() == [True] * 4 + [False] * 2
    assert inverse.inside[0, 1, 0].tolist() == [False] + [True] * 6


def test_invert_an_affine_field() -> None:
    matrix = torch.tensor([[0.2, -0.3], [0.4, -0.25]])
    places = identity_grid((20, 22)) - 10
    inverse = invert(torch.einsum("ij,jxy->ixy", matrix, places)[None], tolerance=1e-4)
    expected = torch.einsum("ij,jxy->ixy", torch.linalg.inv(torch.eye(2) + matrix) - torch.eye(2), places)
    inside = inverse.inside[0]
    assert inside.float().mean() > 0.5
    torch.testing.assert_close(inverse.ddf[0, :, inside], expected[:, inside], rtol=0, atol=1e-3)


def test_invert_converges_for_large_smooth_fields(smooth_noise: Callable[..., Tensor]) -> None:
    ddf = exponentiate(smooth_noise((40, 44, 48), 23.0, cell=20, seed=1))
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
def test_invert_helps_voxels_that_get_stuck(smooth_noise: Callable[..., Tensor], seed: int) -> None:
    ddf = exponentiate(smooth_noise((40, 44), 20.0, cell=12, seed=seed))
    assert jacobian_determinant(ddf, crop=0).min() < 0.3
    inverse = invert(ddf)
    assert inverse.inside.float().mean() > 0.5
    assert inverse.residual[inverse.inside].max() <= 1e-3


def test_invert_treats_the_items_of_a_batch_alone(smooth_noise: Callable[..., Tensor]) -> None:
    first, second = smooth_noise((12, 13), 1.0, seed=1), smooth_noise((12, 13), 2.0, seed=2)
    both = invert(torch.cat([first, second]))
    assert torch.equal(both.ddf[1], invert(second).ddf[0])
    assert both.residual.shape == both.inside.shape == (2, 12, 13)


def test_invert_in_portions_is_the_same(smooth_noise: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    ddf = smooth_noise((12, 13, 14), 2.0)
    whole = invert(ddf)
    monkeypatch.setitem(invert.__wrapped__.__globals__, "PORTION", 500)
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
    with pytest.raises(ValueError, match=r"invert\(\) expects 'ddf' of shape \(1, 3, 5, 6, 7\), got \(1, 1, 5, 6, 7\)"):
        invert(torch.zeros(1, 1, 5, 6, 7))
    with pytest.raises(ValueError, match=r"invert\(\) expects 'iterations' of 1 or more, got 0\."):
        invert(torch.zeros(1, 3, 5, 6, 7), iterations=0)
