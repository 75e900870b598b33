"""A mistake is told alike, whichever process found it."""

from typing import Any

import pytest
import torch
from monai.transforms import Compose
from torch.utils.data import Dataset

from common.data import DataLoader, PairDataset
from common.io import InputError


class Cases(Dataset):
    """One case whose transforms fail as those of MONAI do."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        return Compose([self.fail])(index) if index else torch.zeros(3)

    def fail(self, data: Any) -> None:
        raise self.error


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("kind", [InputError, FileNotFoundError])
def test_mistake_is_raised_as_it_is(kind: type[Exception], workers: int) -> None:
    loader = DataLoader(Cases(kind("a.nii is damaged: why?")), num_workers=workers, batch_size=2)
    with pytest.raises(kind, match=r"^a\.nii is damaged: why\?$"):
        next(iter(loader))


@pytest.mark.parametrize("workers", [0, 1])
def test_other_errors_keep_their_traceback(workers: int) -> None:
    with pytest.raises(RuntimeError, match="applying transform"):
        list(DataLoader(Cases(KeyError("a bug")), num_workers=workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_are_those_of_monai(workers: int) -> None:
    cases = [{"image": torch.full((1, 2), float(number))} for number in range(3)]
    data = PairDataset(cases, pairs="ring", shuffle=False, augmentation=lambda pair: pair)
    loader = DataLoader(data, num_workers=workers, batch_size=2)
    batches = list(loader)
    assert [batch["moving_image"][:, 0, 0].tolist() for batch in batches] == [[0.0, 1.0], [2.0]]
    loader.dataset.set_epoch(4)
    assert data.epoch == 4
