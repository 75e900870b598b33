import torch
from monai.data import MetaTensor

from common.engines import DeformedPairBatch
from common.spatial import RandomSpline, warp

AUGMENTATION, MOTION = [RandomSpline(2, 0.05)], [RandomSpline(4, 0.02), RandomSpline(3, 0.05)]


def scans() -> dict[str, torch.Tensor]:
    ramp = torch.arange(20.0).view(1, 1, -1, 1, 1).expand(2, 1, 20, 18, 22)
    return {"image": MetaTensor(ramp.to(torch.int16)), "mask": torch.ones(2, 1, 20, 18, 22, dtype=torch.bool)}


def test_batch_of_scans_becomes_a_batch_of_pairs() -> None:
    torch.manual_seed(0)
    image, batch = DeformedPairBatch(AUGMENTATION, MOTION)(scans(), "cpu")
    assert type(image) is torch.Tensor
    assert torch.equal(image, torch.cat([batch["fixed_image"], batch["moving_image"]], dim=1))
    assert batch["ddf"].shape == (2, 3, 20, 18, 22)
    assert batch["fixed_mask"].shape == (2, 1, 20, 18, 22)
    inner = (..., slice(5, -5), slice(5, -5), slice(5, -5))
    assert (warp(batch["moving_image"], batch["ddf"]) - batch["fixed_image"])[inner].abs().max() < 0.1
    assert not torch.equal(batch["ddf"][0], batch["ddf"][1])


def test_seed_of_torch_decides_what_is_drawn() -> None:
    prepare = DeformedPairBatch(AUGMENTATION, MOTION)
    torch.manual_seed(1)
    one, other = (prepare(scans(), "cpu")[0] for _ in range(2))
    torch.manual_seed(1)
    assert torch.equal(prepare(scans(), "cpu")[0], one)
    assert not torch.equal(one, other)


def test_features_are_of_the_deformed_scans() -> None:
    torch.manual_seed(0)
    plain = DeformedPairBatch(AUGMENTATION, MOTION, (10, 9, 11))(scans(), "cpu")[0]
    torch.manual_seed(0)
    doubled, batch = DeformedPairBatch(AUGMENTATION, MOTION, (10, 9, 11), lambda image: 2 * image)(scans(), "cpu")
    assert doubled.shape == (2, 2, 10, 9, 11)
    assert torch.equal(doubled, 2 * plain)
    assert batch["fixed_mask"].max() <= 1.001
