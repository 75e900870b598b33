"""Pairs that no memory holds are refused before they are tried."""

import pytest
import torch

from common.io import memory
from common.spatial import Grid
from common.transforms.pair_memory import check_pair_memory

EYE = torch.eye(4).double()


def test_check_pair_memory_says_which_grid_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 10**9)
    small, large, huge = (Grid((size,) * 3, EYE) for size in (10, 200, 300))
    check_pair_memory(small, small, 1000)
    with pytest.raises(
        ValueError, match=r"needs about 8\.48 GB of memory, 1 GB are free: choose a coarser spacing than th"
    ):
        check_pair_memory(small, large, 1000)
    with pytest.raises(
        ValueError, match=r"2\.3 GB of memory.*: resample or crop the fixed scan of 300 x 300 x 300 voxels"
    ):
        check_pair_memory(huge, small, 1000)
