"""MONAI's data loader, whose workers hand a user's mistake on as it is: PyTorch's hand on the text of a traceback."""

from collections.abc import Sequence
from typing import Any

from monai.data import DataLoader as MonaiDataLoader
from monai.data import list_data_collate
from torch.utils.data import Dataset

from common.io import find_mistake


class DataLoader(MonaiDataLoader):
    """Batches of a data set; a mistake found in a worker process is raised here, with its sentence alone.

    Args:
        dataset: whatever has items by number.
        options: see `monai.data.DataLoader`.
    """

    def __init__(self, dataset: Dataset, **options: Any) -> None:
        super().__init__(_Handing(dataset), **{"collate_fn": _collate, **options})

    def __iter__(self) -> Any:
        """Batch after batch."""
        for batch in super().__iter__():
            if isinstance(batch, Exception):
                raise batch
            yield batch


class _Handing(Dataset):
    """A data set among whose items are the mistakes that were found in their place."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: Any) -> Any:
        try:
            return self.dataset[index]
        except Exception as error:
            found = find_mistake(error)
            if found is None:
                raise
            return found

    def set_epoch(self, epoch: int) -> None:
        """Tell a data set that wants to know, see `common.data.PairDataset`."""
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)


def _collate(items: Sequence[Any]) -> Any:
    return next((item for item in items if isinstance(item, Exception)), None) or list_data_collate(items)
