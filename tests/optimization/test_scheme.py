"""Sampling and filtering as the released code of paper 003 does, and as we do."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from common.optimization import EXACT, REFERENCE, Scheme, parts_of
from common.spatial import compose, identity_grid, warp

Oracle = Callable[[str], dict[str, np.ndarray]]


def random_field(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(1, len(shape), *shape, generator=torch.Generator().manual_seed(seed))


def test_two_warps_compose_as_released(oracle: Oracle, to_voxels: Callable[..., Tensor]) -> None:
    recorded = oracle("003_two_warps_composition")
    first, second = to_voxels(recorded["disp_0"]), to_voxels(recorded["disp_1"])
    total = REFERENCE.compose(first, second)
    np.testing.assert_allclose(total.numpy(), to_voxels(recorded["disp_total"]).numpy(), atol=5e-5)


def test_two_warps_compose_in_the_right_order(oracle: Oracle, to_voxels: Callable[..., Tensor]) -> None:
    recorded = oracle("003_two_warps_composition")
    first, second = to_voxels(recorded["disp_0"]), to_voxels(recorded["disp_1"])
    total = replace(REFERENCE, backwards=False).compose(first, second)
    np.testing.assert_allclose(total.numpy(), to_voxels(recorded["disp_total_correct_derived"]).numpy(), atol=5e-5)


def test_pull_back_equals_released_warp(oracle: Oracle, to_voxels: Callable[..., Tensor]) -> None:
    recorded = oracle("003_two_warps_composition")
    image, ddf = torch.tensor(recorded["img"]), to_voxels(recorded["disp_0"])
    linear = REFERENCE.pull_back(image, ddf)
    np.testing.assert_allclose(linear.numpy(), recorded["img_warped_linear"], atol=1e-5)
    nearest = REFERENCE.pull_back(image, ddf, "nearest")
    # A place in the middle of two voxels may go to either.
    assert np.isclose(nearest.numpy(), recorded["img_warped_nearest"], atol=1e-5).mean() > 0.995


def test_exact_scheme_is_warp_and_composes() -> None:
    image, first, second = torch.rand(1, 2, 5, 6, 7), random_field(5, 6, 7), random_field(5, 6, 7, seed=1)
    assert torch.equal(EXACT.pull_back(image, first), warp(image, first))
    torch.testing.assert_close(EXACT.compose(second, first), compose(first, second))


@pytest.mark.parametrize("shape", [(5, 6, 7), (7, 5)])
def test_places_are_stretched_by_reference_alone(shape: tuple[int, ...]) -> None:
    ddf = random_field(*shape)
    stretch = torch.tensor([n / (n - 1) for n in shape]).view(-1, *[1] * len(shape))
    torch.testing.assert_close(REFERENCE.places(ddf), identity_grid(shape) + stretch * ddf)
    torch.testing.assert_close(EXACT.places(ddf), identity_grid(shape) + ddf)


def test_places_of_reference_round_as_grid_sample_does() -> None:
    """Bit for bit the places that `affine_grid` and `grid_sample(align_corners=False)` come to."""
    shape = (9, 10, 11)
    ddf = random_field(*shape)
    grid = F.affine_grid(torch.eye(3, 4)[None], [1, 1, *shape], align_corners=False)  # (1, *shape, x y z)
    half = torch.tensor([(n - 1) / 2 for n in shape]).view(-1, 1, 1, 1)
    normalized = grid.movedim(-1, 1).flip(1) + ddf / half
    sizes = torch.tensor(shape).view(-1, 1, 1, 1)
    assert torch.equal(REFERENCE.places(ddf), ((normalized + 1) * sizes - 1) / 2)


@pytest.mark.parametrize("shape", [(5, 6, 7), (7, 5)])
def test_smooth_keeps_constants_unless_zeros_come_in(shape: tuple[int, ...]) -> None:
    field = torch.full((2, 3, *shape), 1.5)
    torch.testing.assert_close(EXACT.smooth(field, 3), field)
    corner = REFERENCE.smooth(field, 1).flatten(2)[..., 0]
    torch.testing.assert_close(corner, torch.full_like(corner, 1.5 * (2 / 3) ** len(shape)))


@pytest.mark.parametrize("scheme", [EXACT, REFERENCE])
def test_smooth_is_repeated_pooling_in_the_interior(scheme: Scheme) -> None:
    field = random_field(9, 10, 11)
    expected = F.avg_pool3d(F.avg_pool3d(field, 3, 1), 3, 1)
    torch.testing.assert_close(scheme.smooth(field, 2)[..., 2:-2, 2:-2, 2:-2], expected)
    assert torch.equal(scheme.smooth(field, 0), field)


def test_nothing_that_moves_values_is_a_default() -> None:
    assert Scheme() == EXACT
    assert [name for name, value in vars(EXACT).items() if value is True] == []
    assert all(getattr(EXACT, name) != value for name, value in vars(REFERENCE).items())


def test_pull_back_raises() -> None:
    with pytest.raises(
        ValueError, match=r"pull_back\(\) expects 'ddf' of shape \(1, 3, 5, 6, 7\), got \(1, 3, 5, 6, 8\)"
    ):
        EXACT.pull_back(torch.zeros(1, 1, 5, 6, 7), torch.zeros(1, 3, 5, 6, 8))


def test_a_part_of_the_voxels_is_pulled_back_like_the_whole() -> None:
    image, ddf = torch.rand(1, 2, 7, 8, 9), random_field(7, 8, 9)
    pulled = EXACT.pull_back(image, ddf)
    for part in parts_of((7, 8, 9), 50):
        torch.testing.assert_close(EXACT.pull_back(image, part.of(ddf), part=part), part.of(pulled))


def test_a_field_of_a_part_that_does_not_fit_is_refused() -> None:
    image, part = torch.rand(1, 2, 7, 8, 9), parts_of((7, 8, 9), 50)[1]
    with pytest.raises(ValueError, match=r"expects 'ddf' of shape \(1, 3, 3, 4, 4\), got \(1, 3, 7, 8, 9\)"):
        EXACT.pull_back(image, random_field(7, 8, 9), part=part)
    with pytest.raises(ValueError, match="cannot be stretched"):
        REFERENCE.pull_back(image, part.of(random_field(7, 8, 9)), part=part)
