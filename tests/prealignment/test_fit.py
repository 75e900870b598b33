"""The linear transform of moved blocks: exact where they agree, unmoved by those that do not."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from common.prealignment.fit import fit_linear
from common.prealignment.matching import Match

GENERATOR = np.random.default_rng(0)
POINTS = torch.from_numpy(GENERATOR.uniform(-100, 100, (300, 3)))


def moved(linear: torch.Tensor, offset: torch.Tensor, wrong: int = 0) -> Match:
    """Blocks that move as one, but for some that move anywhere."""
    dims = len(offset)
    points = POINTS[:, :dims]
    targets = points @ linear.T + offset
    targets[:wrong] += torch.from_numpy(GENERATOR.uniform(40, 80, (wrong, dims)))
    return Match(points, targets, torch.ones(len(points)).double(), 1.0, 1.0)


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("wrong", [0, 90])
def test_fit_linear_finds_what_most_blocks_agree_on(dims: int, wrong: int) -> None:
    rotation = torch.from_numpy(Rotation.from_euler("zyx", [20, -10, 5], degrees=True).as_matrix())[:dims, :dims]
    if dims == 2:
        rotation = torch.tensor([[0.8, -0.6], [0.6, 0.8]]).double()
    scales, offset = torch.tensor([1.1, 0.9, 1.05])[:dims].double(), torch.tensor([10.0, -20, 30])[:dims].double()
    for kind, linear in (("rigid", rotation), ("affine", rotation * scales)):
        found = fit_linear(moved(linear, offset, wrong), kind)
        torch.testing.assert_close(found[:-1, :-1], linear, atol=1e-6, rtol=0)
        torch.testing.assert_close(found[:-1, -1], offset, atol=1e-4, rtol=0)


def test_fit_linear_rotation_is_that_of_scipy() -> None:
    """Of blocks that do not move as one; the residuals are alike, so that all count nearly the same."""
    targets = POINTS.flip(1) * torch.tensor([1.0, -1, 1]).double()
    found = fit_linear(Match(POINTS, targets, torch.ones(300).double(), 1.0, 1.0), "rigid")
    center, target = POINTS.mean(0), targets.mean(0)
    expected = Rotation.align_vectors(targets - target, POINTS - center)[0].as_matrix()
    np.testing.assert_allclose(found[:3, :3].numpy(), expected, atol=1e-6)
    assert torch.linalg.det(found[:3, :3]) == pytest.approx(1)


def test_fit_linear_of_too_few_blocks_is_the_identity() -> None:
    few = Match(POINTS[:10], POINTS[:10] + 5, torch.ones(10).double(), 1.0, 1.0)
    assert torch.equal(fit_linear(few, "affine"), torch.eye(4).double())
