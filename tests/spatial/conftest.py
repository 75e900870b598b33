"""Fields and images the tests of this room share."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from common.spatial import compose

SHAPES = {2: (6, 7), 3: (5, 6, 7)}


@pytest.fixture(params=[2, 3], ids=["2d", "3d"])
def shape(request: pytest.FixtureRequest) -> tuple[int, ...]:
    return SHAPES[request.param]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def smooth_noise() -> Callable[..., Tensor]:
    """Random vectors `(1, d, *shape)` that change over `cell` voxels, at most `peak` long along an axis."""

    def make(shape: Sequence[int], peak: float, cell: int = 4, seed: int = 0) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        coarse = torch.randn(1, len(shape), *[n // cell + 2 for n in shape], generator=generator)
        mode = {2: "bicubic", 3: "trilinear"}[len(shape)]
        margin = cell // 4
        around = [n + 4 * margin for n in shape]
        noise = F.interpolate(coarse, around, mode=mode, align_corners=True)
        for _ in range(2):  # round the kinks of linear interpolation off
            noise = {2: F.avg_pool2d, 3: F.avg_pool3d}[len(shape)](noise, 2 * margin + 1, stride=1)
        return noise * (peak / noise.abs().max())

    return make


@pytest.fixture
def flow(smooth_noise: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The displacement after one unit of time with such vectors for a velocity, by scaling and squaring: no folds."""

    def make(*arguments: Any, **options: Any) -> Tensor:
        ddf = smooth_noise(*arguments, **options) / 2**16
        for _ in range(16):
            ddf = compose(ddf, ddf)
        return ddf

    return make


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)
