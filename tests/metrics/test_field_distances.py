import pytest
import torch

from common.io import Field, InputError
from common.metrics import field_distance, inverse_consistency
from common.spatial import Grid

SHAPE = (9, 8, 10)
AFFINE = torch.tensor([[0.0, -3, 0, 10], [2, 0, 0, 20], [0, 0, 1.5, -30], [0, 0, 0, 1]]).double()


def constant(vector: tuple[float, ...], affine: torch.Tensor = AFFINE) -> Field:
    displacement = torch.tensor(vector).view(1, -1, 1, 1, 1).expand(1, -1, *SHAPE).clone()
    return Field(displacement, Grid(SHAPE, affine))


def test_field_distance_by_hand() -> None:
    other = constant((0.0, 0.0, 0.0))
    other.displacement[0, 0] = torch.arange(720.0).reshape(SHAPE)
    result = field_distance(constant((0.0, 0.0, 0.0)), other)
    assert result["mean_mm"] == pytest.approx(359.5)
    assert result["median_mm"] == 360
    assert result["p95_mm"] == pytest.approx(683)
    assert result["max_mm"] == 719


def test_field_distance_interpolates_other_grids() -> None:
    """The same linear field on voxels of half the size: no distance, where it covers the first."""
    slope = torch.arange(9.0).view(1, 1, 9, 1, 1) * torch.tensor([0.0, 2.0, 0.0]).view(1, 3, 1, 1, 1)
    first = Field(slope.expand(1, 3, *SHAPE).clone(), Grid(SHAPE, AFFINE))
    half = AFFINE @ torch.diag(torch.tensor([0.5, 1, 1, 1])).double()
    fine = torch.arange(9.0).view(1, 1, 9, 1, 1) * torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1, 1, 1)
    result = field_distance(first, Field(fine.expand(1, 3, *SHAPE).clone(), Grid(SHAPE, half)))
    assert result["max_mm"] == pytest.approx(0, abs=1e-4)
    assert result["covered_percent"] == pytest.approx(100 * 5 / 9)


def test_field_distance_rejects_fields_far_apart() -> None:
    far = AFFINE.clone()
    far[0, 3] = 1000
    with pytest.raises(ValueError, match="The two fields do not overlap in space"):
        field_distance(constant((0.0, 0.0, 0.0)), constant((0.0, 0.0, 0.0), affine=far))


def test_there_and_back_by_hand() -> None:
    """A shift and its inverse on a grid of its own; then one that comes back 3 and 4 mm beside the start."""
    there = constant((4.0, -6.0, 3.0))
    elsewhere = AFFINE @ torch.tensor([[0, 1, 0, 1], [1, 0, 0, -2], [0, 0, 0.5, 1], [0, 0, 0, 1]]).double()
    assert inverse_consistency(there, constant((-4.0, 6.0, -3.0), elsewhere))["max_mm"] == pytest.approx(0, abs=1e-5)
    beside = inverse_consistency(there, constant((-1.0, 6.0, 1.0)))
    assert beside["mean_mm"] == beside["median_mm"] == beside["p95_mm"] == 5


def test_there_and_back_looks_where_the_first_field_ends() -> None:
    """What the second field is at the other voxels does not count: along world y, which voxel axis 0 is."""
    there, back = constant((0.0, 4.0, 0.0)), constant((9.0, 9.0, 9.0))
    back.displacement[:, :, 2:] = 0.0  # LPS y runs against RAS y: the voxels go down two planes
    back.displacement[0, 1, :7] = -4.0
    back.displacement[0, ::2, :7] = 0.0
    found = inverse_consistency(there, back)
    assert found["max_mm"] == 0
    assert found["covered_percent"] == pytest.approx(100 * 7 / 9)


def test_there_and_back_beyond_the_second_field_is_told() -> None:
    with pytest.raises(InputError, match="do not overlap"):
        inverse_consistency(constant((1000.0, 0.0, 0.0)), constant((0.0, 0.0, 0.0)))
