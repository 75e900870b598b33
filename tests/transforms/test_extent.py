import pytest
import torch
from monai.data import MetaTensor

from common.transforms import CheckExtentd


@pytest.fixture
def pair() -> dict:
    """A scan of 40 x 15 x 30 mm, and a smaller one."""
    affine = torch.diag(torch.tensor([4.0, 3.0, 5.0, 1.0]))
    scans = {"fixed_image": torch.zeros(1, 10, 5, 6), "moving_image": torch.zeros(1, 2, 2, 2)}
    return {key: MetaTensor(scan, affine=affine) for key, scan in scans.items()}


@pytest.mark.parametrize("largest", [None, 40, 41.5])
def test_small_scans_pass(largest: float | None, pair: dict) -> None:
    assert CheckExtentd(["fixed_image", "moving_image"], largest)(pair) is pair


def test_large_scan_is_refused(pair: dict) -> None:
    with pytest.raises(ValueError, match=r"^The fixed image measures 40 x 15 x 30 mm: .* no more than 39 mm \(--large"):
        CheckExtentd(["moving_image", "fixed_image"], 39)(pair)
