from typing import Any

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.transforms import NormalizePercentiles

ENDS = (1.0, 99.0)


def test_slices_are_between_the_percentiles_of_each_slice() -> None:
    image = torch.rand(2, 15, 16, 3) * torch.tensor([1.0, 10.0, 100.0]) + torch.tensor([0.0, -5.0, 7.0])
    done = NormalizePercentiles((5, 90), per="slice")(image)
    for channel in range(2):
        for k in range(3):
            values = image[channel, ..., k].numpy()
            low, high = np.percentile(values, (5, 90))
            expected = np.clip((values - low) / (high - low), 0, 1)
            np.testing.assert_allclose(done[channel, ..., k].numpy(), expected, atol=1e-5)


def test_a_2d_scan_is_one_slice() -> None:
    image = torch.rand(2, 15, 16) * 300
    stack = NormalizePercentiles(ENDS, per="slice")(image[..., None])
    assert torch.equal(NormalizePercentiles(ENDS)(image), stack[..., 0])


def test_outliers_are_clipped() -> None:
    image = torch.cat([torch.rand(999), torch.tensor([1e6])]).reshape(1, 25, 40)
    done = NormalizePercentiles(ENDS, per="slice")(image)
    assert done.min() == 0
    assert (done == 1).sum() == 10
    assert done.median() == pytest.approx(0.5, abs=0.05)


def test_constant_slices_are_zero_and_nearly_constant_ones_keep_what_is_there() -> None:
    image = torch.full((1, 20, 20, 2), 7.0)
    image[0, 3, 4, 1] = 9
    done = NormalizePercentiles(ENDS, per="slice")(image)
    assert done[..., 0].count_nonzero() == 0
    assert done[..., 1].nonzero().tolist() == [[0, 3, 4]]
    assert done[0, 3, 4, 1] == 1


def test_volumes_are_between_percentiles_of_the_whole() -> None:
    image = torch.rand(2, 7, 8, 9) * 100
    done = NormalizePercentiles()(image)
    for channel in range(2):
        low, high = np.percentile(image[channel].numpy(), (0.5, 99.5))
        expected = ((image[channel] - low) / (high - low)).clamp(0, 1)
        torch.testing.assert_close(done[channel], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("per", ["image", "slice"])
def test_what_lies_outside_does_not_count(per: str) -> None:
    """Padded with anything: the same, and a slice outside altogether is 0."""
    image = torch.rand(1, 12, 11, 5) * 100
    inside = torch.zeros(1, 16, 11, 6, dtype=torch.bool)
    inside[:, 2:14, :, :5] = True
    padded = torch.full((1, 16, 11, 6), -3024.0)
    padded[inside] = image.flatten()
    done = NormalizePercentiles(ENDS, per)(padded, inside=inside)
    expected = NormalizePercentiles(ENDS, per)(image)
    assert torch.equal(done[inside], expected.flatten())
    assert done[~inside].count_nonzero() == 0


def test_the_input_stays_and_a_metatensor_keeps_its_affine() -> None:
    affine = torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0]))
    image = MetaTensor(torch.rand(1, 6, 5) * 100, affine=affine)
    before = image.clone()
    done: Any = NormalizePercentiles(ENDS)(image)
    assert torch.equal(image, before)
    assert torch.equal(torch.as_tensor(done.affine), affine.double())
    assert done.dtype == torch.float32


@pytest.mark.parametrize("shape", [(5, 5), (1, 2, 3, 4, 5)])
def test_other_axes_are_told(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"NormalizePercentiles\(\) expects 'image' of shape \(C, H, W\) or .*, got"):
        NormalizePercentiles()(torch.rand(shape))


@pytest.mark.parametrize("percentiles", [(99, 1), (1,), (-1, 99), (1, 101)])
def test_other_percentiles_are_told(percentiles: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="expects two ascending 'percentiles' from 0 to 100, got"):
        NormalizePercentiles(percentiles)


def test_other_parts_are_told() -> None:
    with pytest.raises(ValueError, match="expects 'per' to be one of image, slice, got row"):
        NormalizePercentiles(per="row")
