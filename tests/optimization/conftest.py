"""How the recorded fields of paper 003 are told in our convention."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor


@pytest.fixture(scope="session")
def to_voxels() -> Callable[..., Tensor]:
    """Normalized displacement in the order x, y, z of a grid of a shape (its own by default) -> voxels, our order."""

    def convert(field: np.ndarray, spatial_shape: tuple[int, ...] | None = None) -> Tensor:
        tensor = torch.tensor(field)
        extents = [(n - 1) / 2 for n in spatial_shape or tensor.shape[2:]]
        return tensor.flip(1) * torch.tensor(extents).view(-1, 1, 1, 1)

    return convert
