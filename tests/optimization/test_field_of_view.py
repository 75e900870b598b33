"""What lies beyond a field of view neither attracts nor repels."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from common.optimization import correlation_volume, forget_unseen, split_pair


def volumes(seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    fixed, moving = torch.rand(2, 1, 3, 9, 8, generator=generator)
    return fixed, moving


def test_cost_stays_where_all_was_seen() -> None:
    cost = correlation_volume(*volumes(), 1)
    ones = torch.ones(1, 1, 9, 8)
    assert forget_unseen(cost, ones, ones, 1) is cost


def test_candidates_beyond_the_moving_scan_cost_the_mean_of_the_others() -> None:
    """Against a loop over voxels and candidates."""
    fixed, moving = volumes()
    seen = torch.ones(1, 1, 9, 8)
    seen[..., 5:] = 0
    forgotten = forget_unseen(correlation_volume(fixed, moving, 1), torch.ones(1, 1, 9, 8), seen, 1)
    cost = correlation_volume(fixed, moving, 1)[0]
    box = F.pad(seen[0, 0], (2, 2, 2, 2))
    whole = F.pad(torch.ones(9, 8), (1, 1, 1, 1))
    for x in range(9):
        for y in range(8):
            known = []
            for candidate in range(9):
                dy, dx = candidate // 3 - 1, candidate % 3 - 1
                share = box[x + dx + 1 : x + dx + 4, y + dy + 1 : y + dy + 4] * whole[x : x + 3, y : y + 3]
                known.append(bool(share.sum() >= 0.5 * whole[x : x + 3, y : y + 3].sum()))
            mean = cost[known, x, y].mean() if any(known) else torch.tensor(0.0)
            expected = torch.where(torch.tensor(known), cost[:, x, y], mean)
            torch.testing.assert_close(forgotten[0, :, x, y], expected)


def test_voxel_that_the_fixed_scan_does_not_know_costs_nothing() -> None:
    cost = correlation_volume(*volumes(), 1)
    seen = torch.ones(1, 1, 9, 8)
    seen[..., :2, :] = 0
    forgotten = forget_unseen(cost, seen, torch.ones(1, 1, 9, 8), 1)
    assert bool((forgotten[..., :2, :] == 0).all())


def test_seen_of_another_shape_is_refused() -> None:
    cost = correlation_volume(*volumes(), 1)
    with pytest.raises(ValueError, match=r"forget_unseen\(\) expects 'fixed_seen'"):
        forget_unseen(cost, torch.ones(1, 1, 9, 7), torch.ones(1, 1, 9, 8), 1)


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 7)])
def test_split_pair_gives_each_image_its_field_of_view(shape: tuple[int, ...]) -> None:
    image = torch.rand(2, 4, *shape)
    fixed, moving = split_pair("caller", image)
    assert torch.equal(fixed, image[:, :2])
    assert torch.equal(moving, image[:, 2:])
    fixed, moving = split_pair("caller", image[:, :2])
    assert torch.equal(torch.cat([fixed, moving], 1)[:, ::2], image[:, :2])
    assert bool((fixed[:, 1] == 1).all() and (moving[:, 1] == 1).all())


def test_split_pair_raises() -> None:
    with pytest.raises(ValueError, match=r"caller\(\) expects 'image' of shape \(1, 2, 5, 6\), got \(1, 3, 5, 6\)"):
        split_pair("caller", torch.zeros(1, 3, 5, 6))
