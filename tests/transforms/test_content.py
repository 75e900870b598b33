"""The part of a scan that was scanned, where it lies, and its mask."""

import torch
import torch.nn.functional as F
from monai.data import MetaTensor

from common.io import grid_of
from common.spatial import voxel_to_world
from common.transforms.content import content_of

AFFINE = torch.tensor([[0.0, -3, 0, 10], [2, 0, 0, 20], [0, 0, 1.5, -30], [0, 0, 0, 1]]).double()
SCAN = torch.rand(1, 5, 6, 7) + 1
PADDING = (2, 1, 0, 3, 4, 5)


def padded(values: torch.Tensor, fill: float) -> MetaTensor:
    """The same scan at the same place in the world, with padding around it."""
    affine = AFFINE.clone()
    affine[:3, 3] = voxel_to_world(-torch.tensor([PADDING[4], PADDING[2], PADDING[0]]).double(), AFFINE)
    return MetaTensor(F.pad(values, PADDING, value=fill), affine=affine)


def test_content_of_a_padded_scan_is_the_scan() -> None:
    mask = (SCAN > 1.5).int()
    content = content_of(padded(SCAN, -1024), padded(mask, 0))
    assert torch.equal(content.image[0], SCAN)
    assert content.mask is not None
    assert torch.equal(content.mask[0], mask)
    assert content.grid.shape == (5, 6, 7)
    torch.testing.assert_close(content.grid.affine, grid_of(MetaTensor(SCAN, affine=AFFINE)).affine)


def test_masked_holds_the_minimum_outside() -> None:
    mask = (SCAN > 1.5).int()
    masked = content_of(MetaTensor(SCAN, affine=AFFINE), MetaTensor(mask, affine=AFFINE)).masked()[0]
    assert torch.equal(masked[mask > 0], SCAN[mask > 0])
    assert (masked[mask == 0] == SCAN.min()).all()
