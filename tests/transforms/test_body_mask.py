"""Masks of the patient for scans that come without."""

import pytest
import torch
from monai.data import MetaTensor

from common.features import body_mask
from common.io import InputError
from common.transforms import BodyMaskd

AFFINE = torch.diag(torch.tensor([4.0, 4.0, 4.0, 1.0]))


def scan(start: int) -> MetaTensor:
    image = torch.full((1, 30, 31, 32), -1000.0)
    image[:, start : start + 12, 8:24] = 40.0
    return MetaTensor(image, affine=AFFINE)


def test_scans_without_a_mask_get_one(caplog: pytest.LogCaptureFixture) -> None:
    given = MetaTensor(torch.ones(1, 30, 31, 32), affine=AFFINE)
    data = {"fixed_image": scan(4), "moving_image": scan(9), "moving_mask": given, "pair": "a"}
    done = BodyMaskd(["fixed_image", "moving_image"])(data)
    assert set(done) == {*data, "fixed_mask"}
    assert done["moving_mask"] is given
    assert done["fixed_mask"].dtype == torch.uint8
    assert torch.equal(done["fixed_mask"].affine, scan(4).affine)
    assert torch.equal(done["fixed_mask"].as_tensor().bool(), body_mask(scan(4)))
    assert "fixed_mask" not in data
    assert not caplog.messages
    BodyMaskd("fixed_image")({"fixed_image": scan(4) + 1000})
    assert [text[:42] for text in caplog.messages] == ["fixed_image is not in Hounsfield units, in"]


def test_slices_are_refused() -> None:
    with pytest.raises(InputError, match="--body_mask looks for the patient in scans of three axes, got 2"):
        BodyMaskd("fixed_image")({"fixed_image": MetaTensor(torch.zeros(1, 8, 9))})
