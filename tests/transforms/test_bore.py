import pytest
import torch
from monai.data import MetaTensor

from common.transforms import BoreMaskd, bore_mask

RAS = torch.diag(torch.tensor([2.0, 2.0, 3.0, 1.0]))


def test_mask_is_the_disc_of_the_paper() -> None:
    mask = bore_mask((512, 512, 2))[0]
    assert bool((mask[..., 0] == mask[..., 1]).all())
    x, y = (torch.arange(512) - 255.5).square()[:, None], (torch.arange(512) - 255.5).square()[None]
    assert torch.equal(mask[..., 0], (x + y).sqrt() <= 250)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mask_has_one_radius_at_every_size_and_axis(axis: int) -> None:
    shape = [96, 96, 96]
    shape[axis] = 3
    mask = bore_mask(shape, axis)
    assert mask.shape == (1, *shape)
    assert mask.float().mean().item() == pytest.approx(torch.pi * (250 / 512) ** 2, abs=2e-3)


def test_slices_that_are_not_square_are_a_crop() -> None:
    assert bool(bore_mask((40, 36, 5)).all())


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_slices_are_found_by_the_affine(order: tuple[int, int, int]) -> None:
    affine = RAS[:, [*order, 3]]
    scan = MetaTensor(torch.full((1, 40, 40, 40), -3024.0), affine=affine)
    done = BoreMaskd("image")({"image": scan, "other": 1})
    along = order.index(2)
    assert torch.equal(done["mask"].as_tensor().bool(), bore_mask((40, 40, 40), along))
    assert torch.equal(done["mask"].affine, scan.affine)
    assert set(done["image"].unique().tolist()) == {-3024.0, -1000.0}
    assert done["image"].as_tensor()[0, 0, 0, 0] == -1000
    assert done["other"] == 1


def test_scan_that_goes_on_beyond_the_disc_is_a_crop() -> None:
    scan = MetaTensor(torch.full((1, 40, 40, 4), 40.0), affine=RAS)
    done = BoreMaskd(["image"], ["seen"])({"image": scan})
    assert bool((done["seen"] == 1).all())
    assert torch.equal(done["image"], scan)


def test_wrong_arguments_raise() -> None:
    with pytest.raises(ValueError, match=r"expects 'spatial_shape' of three axes, got \(4, 4\)"):
        bore_mask((4, 4))
    with pytest.raises(ValueError, match=r"expects one of 'mask_keys' for each scan"):
        BoreMaskd(["a", "b"], "mask")
