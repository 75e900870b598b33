"""Boxes around lungs that were drawn, and around those of real scans where they are there."""

from pathlib import Path

import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import LoadImage
from torch import Tensor

from common.features import lung_box, lung_mask
from common.io import grid_of
from common.spatial import box_grid, center_of
from common.transforms import CaseGrid, CaseGridd

SPACING = (2.5, 2.0, 4.0)
SHAPE = (130, 120, 70)
LUNGS = ((slice(24, 60), slice(30, 85), slice(8, 50)), (slice(72, 108), slice(32, 88), slice(10, 52)))
CHESTS = Path(__file__).parents[3] / "shared" / "data" / "chest_ct" / "images"


def chest() -> Tensor:
    """Body, two lungs, a windpipe that leaves at the top, a gas bubble and a table; R, A, S."""
    scan = torch.full(SHAPE, -1000.0)
    scan[12:120, 14:100] = 40.0
    for lung in LUNGS:
        scan[lung] = -850.0
    scan[62:70, 40:47, 30:] = -990.0  # windpipe
    scan[40:80, 50:58, 40:44] = -990.0  # and its branches
    scan[80:92, 40:54, 1:5] = -950.0  # stomach
    scan[20:110, 5:8] = 100.0  # table
    return scan + 10 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))


def placed(scan: Tensor, order: tuple[int, ...] = (0, 1, 2), flips: tuple[int, ...] = ()) -> MetaTensor:
    """Another order and direction of axes, the same place in the world."""
    affine = torch.diag(torch.tensor([*SPACING, 1.0]))[:, [*order, 3]]
    scan = scan.permute(order)
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (scan.shape[axis] - 1)
        affine[:3, axis] *= -1
        scan = scan.flip(axis)
    return MetaTensor(scan[None].contiguous(), affine=affine)


@pytest.mark.parametrize(("order", "flips"), [((0, 1, 2), ()), ((2, 0, 1), (0,)), ((1, 2, 0), (1, 2))])
def test_box_holds_the_lungs_whatever_the_order_of_axes(order: tuple[int, ...], flips: tuple[int, ...]) -> None:
    box = lung_box(placed(chest(), order, flips), margin_mm=0)
    for axis, (part, size) in enumerate(zip(box, [SHAPE[o] for o in order], strict=True)):
        low = min(lung[order[axis]].start for lung in LUNGS)
        high = max(lung[order[axis]].stop for lung in LUNGS)
        low, high = (size - high, size - low) if axis in flips else (low, high)
        block = max(1, int(4 / SPACING[order[axis]]))
        assert low - block < part.start <= low + block
        assert high - block <= part.stop < high + block


def test_margin_is_in_mm_and_ends_with_the_scan() -> None:
    narrow, wide = (lung_box(placed(chest()), margin) for margin in (0.0, 40.0))
    assert [n.start - w.start for n, w in zip(narrow, wide, strict=True)][:2] == [16, 20]
    assert wide[2].start == 0


def test_padding_and_noise_change_nothing() -> None:
    scan = chest()
    padded = torch.nn.functional.pad(scan, (0, 0, 10, 10, 10, 10), value=-3024.0)
    one, other = lung_box(placed(scan)), lung_box(placed(padded))
    for axis, (first, second) in enumerate(zip(one, other, strict=True)):
        shift = 10 if axis < 2 else 0
        assert abs(second.start - shift - first.start) <= 1
        assert abs(second.stop - shift - first.stop) <= 1


@pytest.mark.parametrize("value", [-1000.0, 40.0])
def test_scan_without_lungs_stays_whole(value: float) -> None:
    scan = torch.full(SHAPE, value)
    scan[60:70, 60:70, 30:40] = -900.0  # bowel
    assert lung_box(placed(scan)) == tuple(slice(0, n) for n in SHAPE)


def test_case_grid_lies_over_the_lungs() -> None:
    scan = placed(chest(), (2, 0, 1), (0,))
    image = CaseGridd("image", CaseGrid(region="lungs", orientation="fixed"))({"image": scan})["image"]
    expected = box_grid(grid_of(scan), lung_box(scan))
    assert image.shape[1:] == expected.shape
    torch.testing.assert_close(center_of(grid_of(image)), center_of(expected))


@pytest.mark.parametrize("name", ["chest_a", "chest_b", "chest_c"])
def test_box_of_a_real_scan_is_the_chest(name: str) -> None:
    path = CHESTS / f"{name}.nii.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    scan = LoadImage(image_only=True, ensure_channel_first=True)(path)
    spacing = scan.affine[:3, :3].norm(dim=0)
    extent = [(part.stop - part.start) * float(step) for part, step in zip(lung_box(scan), spacing, strict=True)]
    assert 230 < extent[0] < 340  # left to right
    assert 160 < extent[1] < 250
    assert 200 < extent[2] < 300
    inner = scan.as_tensor()[(slice(None), *lung_box(scan, 0.0))]
    assert 0.2 < ((inner < -600) & (inner > -1020)).float().mean() < 0.7


def test_lung_mask_holds_both_lungs_and_nothing_else() -> None:
    mask = lung_mask(placed(chest(), (2, 0, 1)))
    drawn = torch.zeros(SHAPE, dtype=torch.bool)
    for lung in LUNGS:
        drawn[lung] = True
    drawn = drawn.permute(2, 0, 1)[None]
    assert mask.shape == drawn.shape
    assert 2 * (mask & drawn).sum() / (mask.sum() + drawn.sum()) > 0.95
    assert not lung_mask(placed(torch.full(SHAPE, 40.0))).any()


def test_wrong_scan_raises() -> None:
    with pytest.raises(ValueError, match=r"expects 'scan' of shape \(1, H, W, D\), got \(1, 8, 8\)"):
        lung_box(MetaTensor(torch.zeros(1, 8, 8)))
