"""What a matching of coarse scans measures."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from common.prealignment.coarse import Coarse
from common.prealignment.matching import STRIDE, BlockMatching, correlation
from common.prealignment.translation_search import translation

WORLD = gaussian_filter(np.random.default_rng(0).normal(size=(44, 40, 48)), 2).astype(np.float32)


def scan(dims: int = 3, spacing: float = 2.0, contrast: float = 1.0) -> Coarse:
    values = torch.from_numpy(WORLD * contrast if dims == 3 else WORLD[..., 20] * contrast)
    return Coarse(values, torch.ones_like(values, dtype=torch.bool), [10.0, -20.0, 30.0][:dims], spacing)


@pytest.mark.parametrize("dims", [2, 3])
def test_block_matching_of_a_scan_with_itself_is_as_alike_as_can_be(dims: int) -> None:
    match = BlockMatching(scan(dims), scan(dims))(torch.eye(dims + 1).double())
    assert match.likeness == pytest.approx(1, abs=1e-6)
    assert match.overlap == 1
    assert len(match.points) == len(match.weights) == torch.tensor(scan(dims).values.shape).div(2).long().prod()
    torch.testing.assert_close(match.points[0], torch.tensor(scan(dims).origin).double() + (STRIDE - 1) / 2 * 2.0)


@pytest.mark.parametrize("contrast", [1.0, -1.0])
def test_convention_block_matching_tells_where_blocks_went(contrast: float) -> None:
    """With the moving scan shifted by a known offset, the blocks go back by it, whatever the contrast."""
    offset = torch.tensor([4.0, -4.0, 8.0]).double()
    match = BlockMatching(scan(), scan(contrast=contrast))(translation(offset))
    moves = match.targets - match.points
    inner = ((match.points - match.points.mean(0)).abs() < 24).all(1)
    torch.testing.assert_close(moves[inner].median(0).values, -offset, atol=1.0, rtol=0)
    assert match.likeness < BlockMatching(scan(), scan(contrast=contrast))(torch.eye(4).double()).likeness


def test_block_matching_counts_inside_both_masks() -> None:
    fixed, moving = scan(), scan()
    fixed.inside[:, :20] = False
    moving.inside[:, 30:] = False
    match = BlockMatching(fixed, moving)(torch.eye(4).double())
    assert match.overlap == pytest.approx(0.5)
    along = (match.points[:, 1] - fixed.origin[1]) / fixed.spacing
    assert along.min() == 20.5
    assert along.max() == 28.5


def test_block_matching_without_overlap() -> None:
    match = BlockMatching(scan(), scan())(translation(torch.tensor([1e4, 0, 0]).double()))
    assert (match.overlap, match.likeness, len(match.points)) == (0, -1, 0)


def test_correlation_by_hand() -> None:
    counts = torch.tensor([True, True, True, False])[None, None]
    first, second = torch.tensor([[[1.0, 2, 3, 9]]]), torch.tensor([[[5.0, 3, 1, 9]]])
    assert correlation(first, second, counts) == pytest.approx(-1)
    assert correlation(first, torch.ones(1, 1, 4), counts) == 0
