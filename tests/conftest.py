"""Fixtures every test shares."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

REPOSITORY = Path(__file__).parents[1]
ORACLE_FOLDERS = [
    Path(os.environ.get("ORACLES", os.devnull)),
    REPOSITORY / "tests" / "data" / "oracles",
    REPOSITORY.parent / "shared" / "oracles",
]


@pytest.fixture(scope="session")
def oracle() -> Callable[[str], dict[str, np.ndarray]]:
    """Recorded inputs and outputs of a paper's own code: `oracle("mind_ssc")["img"]`."""

    def load(name: str) -> dict[str, np.ndarray]:
        for folder in ORACLE_FOLDERS:
            if (path := folder / f"{name}.npz").is_file():
                with np.load(path, allow_pickle=False) as arrays:
                    return dict(arrays)
        pytest.skip(f"oracle {name}.npz is in none of the oracle folders (set ORACLES)")

    return load


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Scans here are tiny: on a busy machine, waiting for a second thread takes longer than the work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
