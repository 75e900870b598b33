"""A displacement follows its pair: exactly, or as the released code has it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from common.optimization import REFERENCE, coarsen_displacement, transport_displacement
from common.spatial import affine_displacement, affine_in_voxels, identity_grid

Recorded = dict[str, np.ndarray]


def reverse_axes(matrix: Tensor) -> Tensor:
    """From x, y, z, the last axis first, to the order of the array."""
    order = [2, 1, 0, 3]
    return matrix[:, order][:, :, order]


@pytest.fixture
def recorded(oracle: Callable[[str], Recorded]) -> dict[str, Tensor]:
    return {key: torch.tensor(value) for key, value in oracle("003_augmentation").items()}


@pytest.mark.parametrize("strength", [0, 0.05])
def test_released_transport_equals_released_code(recorded: dict[str, Tensor], strength: float) -> None:
    extents = torch.tensor([(n - 1) / 2 for n in recorded["disp_half"].shape[2:]]).view(-1, 1, 1, 1)
    ddf = recorded["disp_half"].flip(1) * extents
    maps = [reverse_axes(recorded[key]) if strength else torch.eye(4)[None] for key in ("A1", "A2")]
    moved = transport_displacement(ddf, maps[0], maps[1], scheme=REFERENCE)
    expected = recorded["disp_half_augmented" if strength else "disp_half_strength0"]
    np.testing.assert_allclose((moved / extents).flip(1).numpy(), expected.numpy(), atol=1e-5)


def affine(dims: int, seed: int, size: float = 0.1) -> Tensor:
    matrix = torch.eye(dims + 1).double()
    matrix[:-1] += size * torch.randn(dims, dims + 1, generator=torch.Generator().manual_seed(seed))
    return matrix[None]


@pytest.mark.parametrize("shape", [(6, 8, 10), (8, 6)])
@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_exact_transport_of_an_affine_pair_is_affine(shape: tuple[int, ...], centered: bool, stride: int) -> None:
    """Where the partner of y is P y, that of x is B^-1 P A x: in the voxels of the images, then on the coarser grid."""
    fixed_map, moving_map, partner = (affine(len(shape), seed) for seed in range(3))
    fine = [stride * n for n in shape]
    inside: Any = (..., *[slice(2, -2)] * len(shape))  # beyond the border a field is continued, and no longer affine

    def field(matrix: Tensor) -> Tensor:
        return coarsen_displacement(affine_displacement(affine_in_voxels(matrix, fine), fine), stride, centered)

    small = torch.eye(len(shape) + 1).double()[None].lerp(fixed_map, 0.2)
    moved = transport_displacement(field(partner), small, moving_map, stride, centered)
    torch.testing.assert_close(moved[inside], field(torch.linalg.inv(moving_map) @ partner @ small)[inside])


@pytest.mark.parametrize("dims", [2, 3])
def test_identities_leave_a_field_alone(dims: int) -> None:
    ddf = torch.randn(2, dims, *(5, 6, 7)[:dims])
    identity = torch.eye(dims + 1).expand(2, -1, -1)
    torch.testing.assert_close(transport_displacement(ddf, identity, identity, centered=False), ddf, atol=1e-5, rtol=0)


def test_maps_that_both_images_share_leave_no_displacement() -> None:
    shared = affine(3, 1).float()
    moved = transport_displacement(torch.zeros(1, 3, 5, 6, 7), shared, shared)
    torch.testing.assert_close(moved, torch.zeros_like(moved), atol=1e-5, rtol=0)


def test_each_pair_of_a_batch_has_its_maps() -> None:
    fixed, moving = torch.cat([affine(3, 1), affine(3, 2)]).float(), torch.cat([affine(3, 3), affine(3, 4)]).float()
    ddf = torch.randn(2, 3, 5, 6, 7)
    alone = [transport_displacement(ddf[n : n + 1], fixed[n : n + 1], moving[n : n + 1]) for n in range(2)]
    torch.testing.assert_close(transport_displacement(ddf, fixed, moving), torch.cat(alone))


def test_transport_raises() -> None:
    with pytest.raises(ValueError, match=r"transport_displacement\(\) expects 'ddf' of shape \(1, 3, 5, 6, 7\)"):
        transport_displacement(torch.zeros(1, 2, 5, 6, 7), torch.eye(4)[None], torch.eye(4)[None])


def test_moved_images_correspond_by_the_moved_field() -> None:
    """Smooth scans whose intensities are known everywhere: F(x) = M(x + u(x))."""
    fixed_map, moving_map = affine(3, 5, 0.05), affine(3, 6, 0.05)
    shape = (20, 16, 18)
    places = identity_grid(shape, torch.float64)[None]

    def moving(at: Tensor) -> Tensor:
        return (at * torch.tensor([0.3, 0.5, 0.4]).view(1, 3, 1, 1, 1)).sin().sum(1)

    def ddf(at: Tensor) -> Tensor:
        return 2 * (at.flip(1) * torch.tensor([0.1, 0.2, 0.15]).view(1, 3, 1, 1, 1)).sin()

    ways = [affine_displacement(affine_in_voxels(m, shape), shape) for m in (fixed_map, moving_map)]
    at_fixed = places + ways[0]
    fixed = moving(at_fixed + ddf(at_fixed))
    moved = places + transport_displacement(ddf(places), fixed_map, moving_map)
    matrix = affine_in_voxels(moving_map, shape)[0]
    middle = torch.tensor([(n - 1) / 2 for n in shape]).double().view(1, 3, 1, 1, 1)
    at_moving = torch.einsum("ij,bj...->bi...", matrix[:3, :3], moved - middle)
    at_moving = at_moving + matrix[:3, 3].view(1, 3, 1, 1, 1) + middle
    inside = (slice(None), *[slice(3, -3)] * 3)
    torch.testing.assert_close(moving(at_moving)[inside], fixed[inside], atol=0.02, rtol=0)
