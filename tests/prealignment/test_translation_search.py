"""The search for a start finds offsets that no header tells."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from common.prealignment.coarse import Coarse
from common.prealignment.translation_search import search_translation

SPACING = 5.0
WORLD = gaussian_filter(np.random.default_rng(0).normal(size=(50, 40, 80)), 2.5).astype(np.float32)
WORLD = (WORLD - WORLD.min()) / (WORLD.max() - WORLD.min())


def window(start: tuple[int, ...], shape: tuple[int, ...], origin: tuple[float, ...]) -> Coarse:
    """What a scanner with this field of view sees of one world, said to begin at ``origin``."""
    part = torch.from_numpy(WORLD[tuple(slice(s, s + n) for s, n in zip(start, shape, strict=False))].copy())
    values = part if len(shape) == 3 else part[..., 0]
    return Coarse(values, torch.ones_like(values, dtype=torch.bool), list(origin), SPACING)


@pytest.mark.parametrize("contrast", [1.0, -1.0])
def test_search_translation_across_fields_of_view(contrast: float) -> None:
    """The moving scan shows 60 % of the fixed one's height, and its header begins somewhere else."""
    fixed = window((10, 8, 8), (20, 18, 40), (0.0, 0.0, 0.0))
    moving = window((8, 10, 24), (20, 18, 40), (1000.0, -200.0, 30.0))
    moving = moving._replace(values=moving.values if contrast > 0 else 1 - moving.values)
    truth = torch.tensor([1000.0 + 5 * 2, -200.0 - 5 * 2, 30.0 - 5 * 16]).double()
    offset = search_translation(fixed, moving, [])
    assert offset.dtype == torch.float64
    assert (offset - truth).abs().max() < 12  # steps are a tenth of the extent: 10, 9 and 20 mm


def test_search_translation_in_2d() -> None:
    fixed = window((5, 0), (36, 36), (0.0, 0.0))
    moving = window((2, 3), (36, 36), (50.0, 80.0))
    offset = search_translation(fixed, moving, [])
    assert (offset - torch.tensor([50.0 + 15, 80.0 - 15]).double()).abs().max() < 10


def test_search_translation_prefers_a_candidate_that_is_exact() -> None:
    fixed = window((10, 8, 8), (20, 18, 40), (0.0, 0.0, 0.0))
    moving = window((7, 10, 8), (20, 18, 40), (1000.0, -200.0, 30.0))
    truth = torch.tensor([1015.0, -210.0, 30.0]).double()
    assert search_translation(fixed, moving, [torch.zeros(3).double(), truth]) is truth


def test_search_translation_never_leaves_the_scans() -> None:
    """Of two offsets without overlap and those around the centers, one of the latter is taken."""
    fixed = window((10, 8, 8), (20, 18, 40), (0.0, 0.0, 0.0))
    far = [torch.full((3,), value).double() for value in (-1e5, 1e5)]
    assert search_translation(fixed, fixed, far).abs().max() < 1e-6


def test_search_translation_heeds_masks() -> None:
    """Where the masks leave only the true place to compare, noise elsewhere does not matter."""
    fixed = window((10, 8, 8), (20, 18, 40), (0.0, 0.0, 0.0))
    values, inside = fixed.values.clone(), fixed.inside.clone()
    values[:, :, 20:] = torch.rand(20, 18, 20, generator=torch.Generator().manual_seed(0))
    inside[:, :, 20:] = False
    offset = search_translation(fixed._replace(values=values, inside=inside), fixed, [])
    assert offset.abs().max() < 1e-6
