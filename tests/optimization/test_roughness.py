"""Roughness of a field: known values, and gradients that are those of autograd."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from common.optimization import bending, stretching

SHAPES = [(5, 6), (4, 5, 6), (1, 2, 5)]


def field(shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(2, len(shape), *shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


def plain_stretching(ddf: Tensor) -> Tensor:
    return sum(_mean_square(ddf.diff(dim=axis)) for axis in range(2, ddf.ndim))  # type: ignore[return-value]


def plain_bending(ddf: Tensor) -> Tensor:
    axes = range(2, ddf.ndim)
    return sum(_mean_square(ddf.diff(dim=a).diff(dim=b)) for a in axes for b in axes)  # type: ignore[return-value]


def _mean_square(difference: Tensor) -> Tensor:
    return difference.square().mean() if difference.numel() else difference.new_zeros(())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("ours", "plain"), [(stretching, plain_stretching), (bending, plain_bending)])
def test_value_and_gradient_are_those_of_differences(
    shape: tuple[int, ...], ours: Callable[[Tensor], Tensor], plain: Callable[[Tensor], Tensor]
) -> None:
    found, expected = (field(shape).requires_grad_() for _ in range(2))
    (3 * ours(found)).backward()
    (3 * plain(expected)).backward()
    torch.testing.assert_close(ours(found), plain(expected))
    torch.testing.assert_close(found.grad, expected.grad)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("numbers", [1, 150])
def test_bending_in_slabs_is_the_same(shape: tuple[int, ...], numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.optimization.roughness.SLAB", numbers)
    test_value_and_gradient_are_those_of_differences(shape, bending, plain_bending)


def test_translations_do_not_stretch_and_affine_maps_do_not_bend() -> None:
    grid = torch.stack(torch.meshgrid(*(torch.arange(n).double() for n in (5, 6, 7)), indexing="ij"))
    affine = torch.einsum("ab,b...->a...", torch.randn(3, 3, dtype=torch.float64), grid)[None]
    assert stretching(torch.full_like(affine, 2.0)) == 0
    assert stretching(affine) > 0.1
    assert bending(affine) < 1e-20


def test_bending_of_a_parabola() -> None:
    """u = x^2 along one axis has the second difference 2 there, and no other."""
    ddf = torch.zeros(1, 2, 6, 5)
    ddf[:, 0] = torch.arange(6.0)[:, None].square()
    assert bending(ddf).item() == pytest.approx(2**2 / 2)  # the mean is over both components


@pytest.mark.parametrize("roughness", [stretching, bending])
def test_roughness_raises(roughness: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(ValueError, match="expects 'ddf' of shape"):
        roughness(torch.zeros(1, 2, 4, 4, 4))


@pytest.mark.parametrize(("roughness", "power"), [(stretching, 1), (bending, 2)])
def test_roughness_does_not_depend_on_the_spacing(roughness: Callable[..., Tensor], power: int) -> None:
    places = torch.arange(9.0).view(1, 1, 9, 1).expand(1, 2, 9, 9)
    ddf = 0.1 * places**power
    torch.testing.assert_close(roughness(ddf[:, :, ::2, ::2], 2), roughness(ddf))
