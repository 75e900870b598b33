"""The patient in a CT, without table and air."""

import nibabel as nib
import pytest
import torch
from monai.data import MetaTensor
from scipy.ndimage import binary_dilation, binary_erosion

from common.features import body_mask
from common.phantoms import chest_phantom

SPACING = 3.0
AIR, TABLE = -1000.0, 300.0


def patient() -> tuple[torch.Tensor, torch.Tensor]:
    """A cylinder of soft tissue with a lung and an ear, in noisy air, on a table of 9 mm; and where the patient is."""
    torch.manual_seed(0)
    i, j, _ = torch.meshgrid(*(torch.arange(float(size)) for size in (70, 60, 30)), indexing="ij")
    body = (i - 35) ** 2 + (j - 25) ** 2 < 20**2
    ear = (j - 45.5).abs().lt(3) & (i - 35).abs().lt(1) & body.new_ones(body.shape)
    scan = torch.full(body.shape, AIR) + 30 * torch.randn(body.shape)
    scan[body | ear] = 40.0
    scan[((i - 30) ** 2 + (j - 25) ** 2 < 8**2)] = -850.0
    scan[:, 52:55] = TABLE
    return scan[None], (body | ear)[None]


def as_scan(image: torch.Tensor) -> MetaTensor:
    return MetaTensor(image, affine=torch.diag(torch.tensor([SPACING, SPACING, SPACING, 1.0])))


def check(found: torch.Tensor, body: torch.Tensor) -> None:
    """All of the body, and nothing further than two blocks from it."""
    assert found.dtype == torch.bool
    assert bool(found[body].all())
    assert not bool(found[0].numpy()[~binary_dilation(body[0].numpy(), iterations=5)].any())


def test_patient_is_found_with_lungs_and_ears_and_without_table() -> None:
    image, body = patient()
    check(body_mask(as_scan(image)), body)


@pytest.mark.parametrize(("low", "high"), [(-200.0, 300.0), (-150.0, 250.0)])
def test_windowed_scan_in_other_units(low: float, high: float) -> None:
    """Fat lies where the window begins."""
    image, body = patient()
    image[body & (image > 0)] = -80.0
    image[:, 20:50, 15:35][image[:, 20:50, 15:35] == -80.0] = 60.0
    windowed = (image.clamp(low, high) - low) / (high - low) * 255
    check(body_mask(as_scan(windowed)), body)


@pytest.mark.parametrize("spacing", [1.0, 1.0000001, 2.1, 3.0, 3.0000002, 4.0])
def test_thickness_counts_in_mm(spacing: float) -> None:
    """A table of 6 mm goes, a body of 60 mm stays, at any size of voxels."""
    count = round(150 / spacing)
    scan = torch.full((1, count, count, 12), AIR)
    scan[:, round(30 / spacing) : round(90 / spacing), round(30 / spacing) : round(90 / spacing)] = 40.0
    scan[:, round(120 / spacing) : round(126 / spacing)] = TABLE
    found = body_mask(MetaTensor(scan, affine=torch.diag(torch.tensor([spacing, spacing, spacing, 1.0]))))
    assert bool(found[:, round(32 / spacing) : round(88 / spacing), round(32 / spacing) : round(88 / spacing)].all())
    assert not bool(found[:, round(118 / spacing) :].any())


@pytest.mark.parametrize("codes", ["LPS", "SAL", "PIR"])
def test_order_of_axes_does_not_matter(codes: str) -> None:
    image, _ = patient()
    scan = as_scan(image)
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(scan.affine.numpy()), nib.orientations.axcodes2ornt(codes)
    )
    turned = nib.Nifti1Image(image[0].numpy(), scan.affine.numpy()).as_reoriented(turn)
    again = MetaTensor(torch.from_numpy(turned.get_fdata())[None], affine=torch.from_numpy(turned.affine))
    mask = nib.Nifti1Image(body_mask(scan)[0].numpy().astype("uint8"), scan.affine.numpy()).as_reoriented(turn)
    assert torch.equal(body_mask(again)[0], torch.from_numpy(mask.get_fdata()).bool())


def test_patient_goes_on_beyond_the_scan() -> None:
    """Where the body is cut off, its mask reaches the border; a scan within the body is all body."""
    image, body = patient()
    found = body_mask(as_scan(image[:, 40:]))
    assert bool(found[:, 0][body[:, 40]].all())
    assert bool(body_mask(as_scan(image[:, 40:50, 15:35])).all())


def test_arms_beside_the_chest_are_body() -> None:
    image, _ = patient()
    image[:, 4:10, 20:30] = 40.0
    assert bool(body_mask(as_scan(image))[:, 4:10, 20:30].all())


@pytest.mark.parametrize("value", [-1000.0, 0.0, 40.0])
def test_without_a_patient_all_counts(value: float) -> None:
    assert bool(body_mask(as_scan(torch.full((1, 20, 21, 22), value))).all())


def test_lungs_of_a_phantom_are_inside() -> None:
    pair = chest_phantom(seed=0)
    label = torch.from_numpy(pair.fixed_label)
    found = body_mask(MetaTensor(torch.from_numpy(pair.fixed_image)[None], affine=torch.from_numpy(pair.fixed_affine)))
    assert bool(found[0][torch.from_numpy(binary_erosion(label > 0))].all())
    assert float(found.float().mean()) < 0.9


@pytest.mark.parametrize("shape", [(1, 8, 9), (2, 8, 9, 10)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"body_mask\(\) expects 'scan' of shape"):
        body_mask(MetaTensor(torch.zeros(shape)))
