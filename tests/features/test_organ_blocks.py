import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.features import slice_axis
from common.features.organ_blocks import organ_blocks

AFFINE = torch.tensor([[0.0, -1.5, 0, 3], [0, 0, 2.0, 1], [-5.0, 0, 0, 9], [0, 0, 0, 1]])  # axes to I, L, A


def test_blocks_are_means_and_know_their_size() -> None:
    torch.manual_seed(0)
    scan = MetaTensor(torch.rand(1, 3, 5, 4), affine=AFFINE)
    blocks = organ_blocks("f", scan)
    assert blocks.spacing == [5.0, 1.5, 2.0]
    assert blocks.voxels == [1, 2, 2]
    assert blocks.sides == [5.0, 3.0, 4.0]
    assert blocks.liters == pytest.approx(60e-6)
    assert blocks.values.shape == (3, 3, 2)
    np.testing.assert_allclose(blocks.values[1, 0, 1], scan[0, 1, :2, 2:].mean(), rtol=1e-6)
    np.testing.assert_allclose(blocks.values[2, 2, 0], scan[0, 2, 4:, :2].mean(), rtol=1e-6)  # cut off


def test_slices_lie_across_the_body() -> None:
    assert slice_axis(MetaTensor(torch.zeros(1, 3, 5, 4), affine=AFFINE)) == 0
    assert organ_blocks("f", MetaTensor(torch.zeros(1, 3, 5, 4), affine=AFFINE)).slice_axis == 0
    assert slice_axis(MetaTensor(torch.zeros(1, 3, 5, 4), affine=torch.eye(4))) == 2


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"f\(\) expects 'scan' of shape \(1, H, W, D\), got \(2, 4, 4, 4\)"):
        organ_blocks("f", MetaTensor(torch.zeros(2, 4, 4, 4), affine=torch.eye(4)))
