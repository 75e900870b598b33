"""Coarse copies lie where their scans lie."""

import pytest
import torch
from scipy.spatial.transform import Rotation

from common.prealignment.coarse import Coarse, center_of_mass, coarse_copy, shrink
from common.spatial import Grid, center_of

OBLIQUE = torch.eye(4).double()
OBLIQUE[:3, :3] = torch.from_numpy(Rotation.from_euler("zyx", [12, -6, 12], degrees=True).as_matrix() * [2, 3, 4])
OBLIQUE[:3, 3] = torch.tensor([10.0, -20, 30])
GRID = Grid((36, 24, 20), OBLIQUE)


def blob(grid: Grid) -> torch.Tensor:
    places = torch.cartesian_prod(*[torch.arange(n).float() for n in grid.shape])
    distance = ((places - torch.tensor([14.0, 9, 12])) * torch.tensor([2.0, 3, 4])).square().sum(1)
    return torch.exp(-distance / 200).reshape(1, 1, *grid.shape)


def test_coarse_copy_lies_along_the_world_axes_around_the_same_middle() -> None:
    image = blob(GRID)
    coarse = coarse_copy(image, GRID, None, 4000)
    assert 3000 < coarse.values.numel() < 5000
    assert bool(coarse.inside.any())
    torch.testing.assert_close(center_of(coarse.grid), center_of(GRID))
    masses = center_of_mass(coarse.values, coarse.grid) - center_of_mass(image[0, 0], GRID)
    assert masses.norm() < coarse.spacing / 2


def test_coarse_copy_counts_inside_the_mask() -> None:
    mask = torch.zeros(1, 1, *GRID.shape)
    mask[..., :10] = 3
    share = float(coarse_copy(blob(GRID), GRID, mask, 4000).inside.float().mean())
    whole = float(coarse_copy(blob(GRID), GRID, None, 4000).inside.float().mean())
    assert share / whole == pytest.approx(0.5, abs=0.05)


def test_coarse_copy_is_never_finer_than_the_scan() -> None:
    grid = Grid((12, 10, 9), torch.eye(4).double())
    assert coarse_copy(torch.rand(1, 1, 12, 10, 9), grid, None, 10**6).values.shape == (12, 10, 9)


def test_shrink_averages_blocks_by_hand() -> None:
    values = torch.arange(12.0).reshape(2, 6)
    small = shrink(Coarse(values, torch.ones(2, 6, dtype=torch.bool), [5.0, 7.0], 2.0), 2)
    assert small.values.tolist() == [[3.5, 5.5, 7.5]]
    assert small.origin == [6.0, 8.0]
    assert small.spacing == 4
