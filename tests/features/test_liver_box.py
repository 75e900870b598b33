"""The box around the liver, of its mask or found in the scan."""

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.features import liver_box
from common.phantoms import chest_phantom


def phantom_scan() -> MetaTensor:
    """A chest in HU, whose lower end is liver from side to side."""
    pair = chest_phantom((80, 60, 70), (4.4, 4.1, 3.8))
    return MetaTensor(torch.from_numpy(pair.fixed_image)[None], affine=torch.from_numpy(pair.fixed_affine))


def test_liver_is_found_below_the_lungs_and_inside_the_ribs() -> None:
    box = liver_box(phantom_scan())
    assert box[2].start == 0
    assert 15 <= box[2].stop <= 35
    assert 0 < box[0].start < 15
    assert 65 < box[0].stop < 80


@pytest.mark.parametrize("codes", ["LPS", "SAL", "PIR"])
def test_order_of_axes_does_not_matter(codes: str) -> None:
    scan = phantom_scan()
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
