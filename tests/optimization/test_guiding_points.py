import numpy as np
import pytest
import torch
from torch import Tensor

from common.optimization import GuidingPoints, displacement_candidates, parts_of

SHAPE = (12, 14, 16)


def points(fixed: list[list[float]], ways: list[list[float]]) -> GuidingPoints:
    return GuidingPoints(torch.tensor(fixed), torch.tensor(fixed) + torch.tensor(ways))


def at(field: Tensor, place: tuple[int, ...]) -> Tensor:
    return field[0].flatten(1)[:, int(np.ravel_multi_index(place, field.shape[2:]))]


def test_first_field_leads_points_to_their_partners_and_ends() -> None:
    """Also points of a plane, which determine no affine map; 32 voxels is where the first is felt no more."""
    guiding = points([[4.0, 4, 4], [20, 4, 4], [4, 20, 4]], [[2.0, 0, 0], [0, -1, 0], [0, 0, 1]])
    field = guiding.first_field((61, 61, 61))
    for place, way in (((4, 4, 4), [2, 0, 0]), ((20, 4, 4), [0, -1, 0]), ((4, 20, 4), [0, 0, 1])):
        torch.testing.assert_close(at(field, place), torch.tensor(way).float(), atol=0.05, rtol=0)
    assert at(field, (60, 60, 60)).abs().max() == 0


def test_first_field_of_one_point_is_wendlands_function() -> None:
    """(1 - r)^4 (4 r + 1) at r = 1/2 is 3/16; a point is felt over half of the longest side."""
    field = points([[0.0, 0, 0]], [[0.0, 1, 0]]).first_field((65, 9, 9))
    assert float(at(field, (0, 0, 0))[1]) == pytest.approx(1 / 1.001, abs=1e-3)
    assert float(at(field, (16, 0, 0))[1]) == pytest.approx(3 / 16, abs=0.01)


def test_same_place_twice_is_solved() -> None:
    field = points([[4.0, 4, 4], [4, 4, 4]], [[1.0, 0, 0], [0, 0, 0]]).first_field((17, 17, 17))
    assert float(at(field, (4, 4, 4))[0]) == pytest.approx(0.5, abs=0.01)


def test_what_a_field_leaves() -> None:
    """u = x / 2 brings y = 4 to 6."""
    places = torch.arange(12.0).view(1, 1, 12, 1).expand(1, 1, 12, 12)
    ddf = torch.cat([places / 2, torch.zeros_like(places)], 1)
    left = GuidingPoints(torch.tensor([[1.0, 2]]), torch.tensor([[6.0, 3]])).left_by(ddf)
    torch.testing.assert_close(left.moving, torch.tensor([[4.0, 3]]), atol=1e-2, rtol=0)
    assert left.fixed.tolist() == [[1, 2]]


def test_candidates_cost_the_distance_to_where_a_point_goes() -> None:
    guiding = points([[5.2, 6, 7]], [[1.0, 0, -1]])
    cost = guiding.add_to(torch.zeros(1, 125, *SHAPE), 2)
    expected = 3 * (displacement_candidates(2, 3) - torch.tensor([1.0, 0, -1])).square().sum(1)
    torch.testing.assert_close(cost[0, :, 5, 6, 7], expected, atol=1e-3, rtol=1e-4)
    assert cost[0, :, 0, 0, 0].abs().max() == 0


def test_points_that_go_beyond_the_candidates_want_the_outermost() -> None:
    cost = points([[5.0, 6]], [[9.0, 0]]).add_to(torch.zeros(1, 9, 12, 12), 1)
    assert displacement_candidates(1, 2)[cost[0, :, 5, 6].argmin()].tolist() == [1, 0]


def test_points_beside_the_grid_cost_nothing() -> None:
    assert points([[-4.0, 6]], [[1.0, 0]]).add_to(torch.zeros(1, 9, 12, 12), 1).abs().max() == 0


def test_missed_distance_is_a_sum_over_points() -> None:
    guiding = points([[2.0, 3], [4, 5.5]], [[1.0, 0], [0, 2]])
    field = torch.zeros(1, 2, 10, 20, requires_grad=True)
    missed = guiding.missed(field)
    assert missed.item() == pytest.approx(1e5 * (1 + 4) / 200)
    missed.backward()
    assert field.grad is not None
    assert float(field.grad[0, 0, 2, 3]) == pytest.approx(-1e5 * 2 / 200)


def test_missed_distance_is_the_same_of_any_part_of_a_linear_field() -> None:
    guiding = points([[2.0, 3, 4], [4.25, 5.5, 6]], [[1.0, 0, 0], [0, 2, 0]])
    field = 0.1 * torch.stack(torch.meshgrid(*[torch.arange(float(n)) for n in SHAPE], indexing="ij"))[None]
    parts = parts_of(SHAPE, 100)
    assert len(parts) == 8
    for part in parts:
        torch.testing.assert_close(guiding.missed(part.of(field), part), guiding.missed(field))


@pytest.mark.parametrize(("centered", "place"), [(True, 1.75), (False, 2.0)])
def test_coarser_lattices(centered: bool, place: float) -> None:
    """The middle of the first two voxels, 1/2, is 0 of a grid of half as many, if its voxels lie in their middle."""
    coarse = points([[4.0, 4, 4]], [[2.0, 0, 0]]).on_lattice(2, centered)
    assert coarse.fixed.tolist() == [[place] * 3]
    assert (coarse.moving - coarse.fixed).tolist() == [[1, 0, 0]]


def test_the_other_way_round() -> None:
    there = points([[1.0, 2]], [[3.0, 3]])
    back = there.reversed()
    assert back.fixed is there.moving
    assert back.moving is there.fixed
