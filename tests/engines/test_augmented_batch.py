from typing import Any

import torch
from monai.data import MetaTensor

from common.engines import AugmentedPairBatch, prepare_pair_batch
from common.spatial import RandomSpline

FREE_FORM = [RandomSpline(5, 0.1, interpolating=False, power=3)]


def pairs() -> dict[str, Any]:
    ramp = torch.arange(20.0).view(1, 1, -1, 1, 1).expand(2, 1, 20, 18, 22)
    return {
        "fixed_image": MetaTensor(ramp),
        "moving_image": MetaTensor(ramp + 1),
        "fixed_label": (ramp > 9).int(),
        "moving_label": (ramp > 9).int(),
        "pair": ["a", "b"],
    }


def test_moving_scan_and_label_move_together_and_the_fixed_one_stays() -> None:
    torch.manual_seed(0)
    image, batch = AugmentedPairBatch(FREE_FORM)(pairs(), "cpu")
    assert torch.equal(batch["fixed_image"], pairs()["fixed_image"])
    assert torch.equal(image, torch.cat([batch["fixed_image"], batch["moving_image"]], dim=1))
    assert batch["moving_label"].dtype == torch.int32
    inner = (..., slice(4, -4), slice(4, -4), slice(4, -4))
    moved = batch["moving_image"][inner] - 1  # the place along the first axis
    sure = (moved - 9.5).abs() > 0.51
    assert torch.equal((moved > 9.5)[sure], (batch["moving_label"][inner] == 1)[sure])
    assert 0.1 < (batch["moving_image"] - pairs()["moving_image"]).abs().max() < 0.1 * 20
    assert not torch.equal(batch["moving_image"][0], batch["moving_image"][1])
    assert batch["pair"] == ["a", "b"]


def test_seed_of_torch_decides_what_is_drawn() -> None:
    images = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        images.append(AugmentedPairBatch(FREE_FORM)(pairs(), "cpu")[0])
    assert torch.equal(images[0], images[1])
    assert not torch.equal(images[0], images[2])


def test_without_splines_and_labels_it_is_the_plain_batch() -> None:
    scans = {key: value for key, value in pairs().items() if "label" not in key}
    assert torch.equal(AugmentedPairBatch([])(scans, "cpu")[0], prepare_pair_batch(scans, "cpu")[0])
    assert "moving_label" not in AugmentedPairBatch(FREE_FORM)(scans, "cpu")[1]
