import functools
from pathlib import Path

import torch
from monai.data import DataLoader, MetaTensor
from monai.engines import SupervisedTrainer
from monai.handlers import ParamSchedulerHandler
from torch.utils.data import Dataset

from common.engines import DeformedPairBatch
from common.features import gradient_magnitude
from common.handlers import EpochSeed, TrainingCheckpoint, progressive_levels
from common.networks.nets import ProgressiveUNet
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
    assert batch["known_ddf"].shape == (2, 3, 20, 18, 22)
    assert batch["fixed_mask"].shape == (2, 1, 20, 18, 22)
    inner = (..., slice(5, -5), slice(5, -5), slice(5, -5))
    assert (warp(batch["moving_image"], batch["known_ddf"]) - batch["fixed_image"])[inner].abs().max() < 0.1
    assert not torch.equal(batch["known_ddf"][0], batch["known_ddf"][1])


def test_seed_of_torch_decides_what_is_drawn() -> None:
    prepare = DeformedPairBatch(AUGMENTATION, MOTION)
    torch.manual_seed(1)
    one, other = (prepare(scans(), "cpu")[0] for _ in range(2))
    torch.manual_seed(1)
    assert torch.equal(prepare(scans(), "cpu")[0], one)
    assert not torch.equal(one, other)


def test_seed_of_a_batch_decides_what_is_drawn() -> None:
    """Whatever was drawn before: a validation has the same pairs every time."""
    prepare = DeformedPairBatch(AUGMENTATION, MOTION)
    numbered = scans() | {"seed": torch.tensor([3, 4]), "pair": ["a", "b"]}
    one, other = (prepare(numbered, "cpu") for _ in range(2))
    assert torch.equal(one[1]["known_ddf"], other[1]["known_ddf"])
    assert one[1]["pair"] == ["a", "b"]
    assert not torch.equal(prepare(numbered | {"seed": torch.tensor([4, 4])}, "cpu")[0], one[0])


def test_features_are_of_the_deformed_scans() -> None:
    torch.manual_seed(0)
    plain = DeformedPairBatch(AUGMENTATION, MOTION, (10, 9, 11))(scans(), "cpu")[0]
    torch.manual_seed(0)
    doubled, batch = DeformedPairBatch(AUGMENTATION, MOTION, (10, 9, 11), lambda image: 2 * image)(scans(), "cpu")
    assert doubled.shape == (2, 2, 10, 9, 11)
    assert torch.equal(doubled, 2 * plain)
    assert batch["fixed_mask"].max() <= 1.001


class Scans(Dataset):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"image": torch.rand(1, 16, 16, generator=torch.Generator().manual_seed(index)) * 900 - 900}


def train(folder: Path, epochs: int, resume: bool = False) -> dict[str, torch.Tensor]:
    """Paper 002 in small: scans deformed as they come, a network that grows, masked squared errors."""
    torch.manual_seed(0)
    network = ProgressiveUNet(2, base_channels=2, levels=3)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.5)
    schedule = functools.partial(progressive_levels, levels=3, transition=2, duration=4)
    trainer = SupervisedTrainer(
        device=torch.device("cpu"),
        max_epochs=epochs,
        train_data_loader=DataLoader(Scans(), batch_size=1, shuffle=True),
        network=network,
        optimizer=optimizer,
        loss_function=lambda ddf, batch: (batch["fixed_mask"] * (ddf - batch["known_ddf"]).square()).mean(),
        optim_set_to_none=True,
        prepare_batch=DeformedPairBatch(AUGMENTATION, MOTION, features=gradient_magnitude, fill=-1000.0),
        train_handlers=[
            TrainingCheckpoint(folder, {"network": network, "optimizer": optimizer}, resume=resume),
            EpochSeed(5),
            ParamSchedulerHandler(
                functools.partial(setattr, network, "alpha"), schedule, {}, event="ITERATION_STARTED"
            ),
        ],
    )
    trainer.run()
    return dict(network.state_dict())


def test_training_is_resumed_exactly(tmp_path: Path) -> None:
    """In the middle of a transition: three steps an epoch, levels that fade over two."""
    straight = train(tmp_path / "straight", 4)
    first = train(tmp_path / "resumed", 2)
    resumed = train(tmp_path / "resumed", 4, resume=True)
    assert all(torch.equal(resumed[name], value) for name, value in straight.items())
    assert not torch.equal(first["head.weight"], straight["head.weight"])
