"""The box around the liver, of its mask or found in the scan."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.features import liver_box
from common.phantoms import abdomen_phantom
from common.phantoms.torso import LABEL_NAMES

LIVER = next(label for label, name in LABEL_NAMES.items() if name == "liver")


def phantom(seed: int = 1, side: str = "fixed") -> tuple[MetaTensor, MetaTensor]:
    """An abdomen in HU, and the mask of its liver."""
    pair = abdomen_phantom((64, 54, 74), (4.8, 4.8, 4.8), 6.0, seed)
    affine = torch.from_numpy(getattr(pair, f"{side}_affine"))
    mask = torch.from_numpy(getattr(pair, f"{side}_label") == LIVER)
    return MetaTensor(torch.from_numpy(getattr(pair, f"{side}_image"))[None], affine=affine), MetaTensor(mask[None])


def overlap(first: tuple[slice, ...], second: tuple[slice, ...]) -> float:
    """Volume of what two boxes share, over that of both together."""
    shared, *whole = (
        np.prod([max(0, stop - start) for start, stop in box])
        for box in (
            [(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(first, second, strict=True)],
            [(a.start, a.stop) for a in first],
            [(b.start, b.stop) for b in second],
        )
    )
    return float(shared / (sum(whole) - shared))


@pytest.mark.parametrize("side", ["fixed", "moving"])
@pytest.mark.parametrize("seed", [1, 2])
def test_liver_is_found_about_where_its_mask_is(seed: int, side: str) -> None:
    scan, mask = phantom(seed, side)
    found, true = liver_box(scan), liver_box(scan, mask)
    whole = tuple(slice(0, size) for size in scan.shape[1:])
    assert overlap(found, true) > 0.6
    assert overlap(whole, true) < 0.3


@pytest.mark.parametrize("codes", ["LPS", "SAL", "PIR"])
def test_order_of_axes_does_not_matter(codes: str) -> None:
    scan, _ = phantom()
    image = nib.Nifti1Image(scan[0].numpy(), scan.affine.numpy())
    turn = nib.orientations.ornt_transform(nib.io_orientation(image.affine), nib.orientations.axcodes2ornt(codes))
    turned = image.as_reoriented(turn)
    values = torch.from_numpy(np.ascontiguousarray(turned.get_fdata(dtype=np.float32)))[None]
    box = liver_box(MetaTensor(values, affine=torch.from_numpy(turned.affine)))
    for mine, (axis, sign) in zip(liver_box(scan), turn, strict=True):
        ends, size = (mine.start, mine.stop), image.shape[int(np.flatnonzero(turn[:, 0] == axis)[0])]
        expected = ends if sign == 1 else (size - ends[1], size - ends[0])
        found = box[int(axis)]
        assert (found.start, found.stop) == pytest.approx(expected, abs=2)


def test_mask_has_a_margin_of_a_tenth_or_five_voxels() -> None:
    mask = torch.zeros(1, 100, 100, 40)
    mask[:, 10:90, 30:50, 2:20] = 1
    scan = MetaTensor(torch.zeros(1, 100, 100, 40), affine=torch.eye(4))
    assert liver_box(scan, MetaTensor(mask)) == (slice(2, 98), slice(25, 55), slice(0, 25))


def test_a_scan_without_liver_is_taken_whole() -> None:
    scan = MetaTensor(torch.rand(1, 10, 12, 14), affine=torch.eye(4))
    assert liver_box(scan) == (slice(0, 10), slice(0, 12), slice(0, 14))
    assert liver_box(scan, MetaTensor(torch.zeros(1, 10, 12, 14))) == (slice(0, 10), slice(0, 12), slice(0, 14))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"liver_box\(\) expects 'scan' of shape \(1, H, W, D\), got \(2, 4, 4, 4\)"):
        liver_box(MetaTensor(torch.zeros(2, 4, 4, 4), affine=torch.eye(4)))
