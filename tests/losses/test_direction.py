from types import SimpleNamespace

import torch

from common.losses.direction import Direction, directions
from common.spatial import warp

BATCH = {"fixed_image": torch.rand(1, 1, 4, 5), "moving_image": torch.rand(1, 1, 4, 5)}
DDF = torch.randn(1, 2, 4, 5)


def test_reverse_direction_exchanges_the_scans() -> None:
    predicted = SimpleNamespace(ddf=DDF, reverse=SimpleNamespace(ddf=-DDF))
    forward, backward = directions(predicted, BATCH, "border")
    assert forward.ddf is DDF
    assert torch.equal(backward.ddf, -DDF)
    assert forward.of_fixed("image") is backward.of_moving("image") is BATCH["fixed_image"]
    assert backward.of_fixed("image") is BATCH["moving_image"]
    assert backward.padding == "border"


def test_a_field_alone_has_one_direction() -> None:
    (only,) = directions(DDF, BATCH, "zeros")
    assert only.ddf is DDF
    assert only.of_fixed("label") is None


def test_warp_takes_the_predicted_field_or_another() -> None:
    pair = Direction(DDF, BATCH)
    image = BATCH["moving_image"]
    assert torch.equal(pair.warp(image), warp(image, DDF, padding="zeros"))
    assert torch.equal(pair.warp(image, 0 * DDF), image)
