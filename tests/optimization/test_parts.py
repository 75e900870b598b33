"""Parts of a grid's voxels: together they are all of it, and each knows where it lies."""

from math import prod

import pytest
import torch

from common.optimization import Part, parts_of
from common.optimization.parts import whole
from common.spatial import identity_grid


@pytest.mark.parametrize(("shape", "least"), [((8, 8, 8), 60), ((5, 7, 9), 30), ((8, 6), 5), ((1, 40, 30), 10)])
def test_parts_are_the_grid_each_voxel_once(shape: tuple[int, ...], least: int) -> None:
    numbers = torch.arange(prod(shape)).view(1, 1, *shape)
    parts = parts_of(shape, least)
    assert len(parts) > 1
    assert torch.cat([part.of(numbers).flatten() for part in parts]).sort().values.tolist() == list(range(prod(shape)))


@pytest.mark.parametrize(
    ("least", "count"), [(None, 1), (257, 1), (256, 2), (129, 2), (128, 4), (64, 8), (1, 8)], ids=str
)
def test_a_part_has_as_many_voxels_as_are_wanted(least: int | None, count: int) -> None:
    parts = parts_of((8, 8, 8), least)
    assert len(parts) == count
    assert all(part.of(torch.zeros(8, 8, 8)).numel() == 512 // count for part in parts)


def test_an_axis_of_one_voxel_is_not_divided() -> None:
    assert [part.of(torch.zeros(1, 40, 30)).numel() for part in parts_of((1, 40, 30), 600)] == [600, 600]


def test_each_part_is_far_from_the_one_before() -> None:
    firsts = [part.first for part in parts_of((8, 8, 8), 1)]
    assert firsts[:4] == [(0, 0, 0), (1, 1, 1), (0, 0, 1), (1, 1, 0)]


@pytest.mark.parametrize(
    "part", [*parts_of((5, 6, 7), 1), Part((3, 1, 2), (2, 0, 1)), Part((1, 1, 1), (1, 0, 0)), whole(3)]
)
def test_places_of_a_part(part: Part) -> None:
    grid = identity_grid((5, 6, 7))
    ddf = torch.zeros(1, 3, *part.of(grid).shape[1:])
    assert torch.equal(part.grid(ddf), part.of(grid))
    assert torch.equal(torch.stack(torch.meshgrid(*part.axes((5, 6, 7), ddf), indexing="ij")), part.of(grid))
    assert part.everything == (part == whole(3))
