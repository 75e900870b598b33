from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from common.handlers import EpochSeed


def batches(training: Any, folder: Path, seed: int = 3, rank: int = 0) -> list[torch.Tensor]:
    """What the network sees in two epochs."""
    seen: list[torch.Tensor] = []
    run = training(folder, 2)
    run.trainer.state.rank = rank
    for event in list(run.trainer._event_handlers):
        run.trainer._event_handlers[event] = []
    EpochSeed(seed).attach(run.trainer)
    run.trainer.add_event_handler("ITERATION_STARTED", lambda engine: seen.append(engine.state.batch["image"].clone()))
    run.run()
    return seen


def test_epoch_seed_decides_everything(training: Any, tmp_path: Path) -> None:
    first, again = (torch.stack(batches(training, tmp_path)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first[:3], first[3:])
    assert not torch.equal(first, torch.stack(batches(training, tmp_path, seed=4)))
    assert not torch.equal(first, torch.stack(batches(training, tmp_path, rank=1)))


def test_epoch_seed_tells_data_set_and_sampler_the_epoch(training: Any, tmp_path: Path) -> None:
    class Sampler(torch.utils.data.SequentialSampler):
        def set_epoch(self, epoch: int) -> None:
            epochs.append(epoch)

    epochs: list[int] = []
    run = training(tmp_path, 2)
    pairs = run.trainer.data_loader.dataset
    run.trainer.data_loader = DataLoader(pairs, batch_size=2, sampler=Sampler(pairs))
    run.run()
    assert epochs == [1, 2]
    assert pairs.epoch == 2


def test_epoch_seed_takes_any_iterable(training: Any, tmp_path: Path) -> None:
    run = training(tmp_path, 2)
    run.trainer.data_loader = [next(iter(run.trainer.data_loader))] * 3
    assert run.run().trainer.state.iteration == 6


def test_epoch_seed_rejects_persistent_workers(training: Any, tmp_path: Path) -> None:
    run = training(tmp_path, 1)
    run.trainer.data_loader = DataLoader(run.trainer.data_loader.dataset, 2, num_workers=1, persistent_workers=True)
    with pytest.raises(ValueError, match=r"EpochSeed\(\) expects a data loader without persistent_workers"):
        run.run()
