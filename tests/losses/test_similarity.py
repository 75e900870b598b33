from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import MSELoss

from common.losses import Direction, Similarity


def collect(seen: list[Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def compare(warped: Tensor, fixed: Tensor) -> Tensor:
        seen.extend([warped, fixed])
        return (warped - fixed).sum()

    return compare


def test_foreground_is_where_both_images_are_above_zero() -> None:
    fixed, moving = torch.ones(1, 1, 4, 4), torch.full((1, 1, 4, 4), 2.0)
    moving[..., 0] = 0
    seen: list[Tensor] = []
    pair = Direction(torch.zeros(1, 2, 4, 4), {"fixed_image": fixed, "moving_image": moving})
    term = Similarity(collect(seen), foreground=True)
    term(pair, pair.warp(term.moving(pair)))
    assert (seen[0][..., 0] == 0).all()
    assert (seen[1][..., 0] == 0).all()
    assert (seen[0][..., 1:] == 2).all()


def test_mask_is_that_of_the_fixed_scan() -> None:
    masks = torch.zeros(2, 1, 1, 4, 4)
    masks[0, ..., 1], masks[1, ..., 2] = 1, 1
    batch = {"fixed_image": torch.ones(1, 1, 4, 4), "fixed_mask": masks[0], "moving_mask": masks[1]}
    seen: list[Tensor] = []
    for fixed, moving in (("fixed", "moving"), ("moving", "fixed")):
        pair = Direction(None, batch | {"moving_image": torch.ones(1, 1, 4, 4)}, fixed, moving)
        Similarity(collect(seen), mask="mask")(pair, torch.full((1, 1, 4, 4), 2.0))
    assert torch.equal(seen[0], 2 * masks[0])
    assert torch.equal(seen[1], masks[0])
    assert torch.equal(seen[2], 2 * masks[1])


def test_levels_can_be_left_out() -> None:
    class Deep:
        ddf = torch.zeros(1, 2, 4, 4)
        levels = (torch.ones(1, 2, 4, 4),)

    image = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    pair = Direction(Deep(), {"fixed_image": image, "moving_image": image})
    assert Similarity(MSELoss(), levels=False)(pair, image) == 0
    assert Similarity(MSELoss())(pair, image) > 0
