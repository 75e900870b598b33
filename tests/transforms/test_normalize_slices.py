import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from common.transforms import NormalizeSlicesd, normalize_slices


def test_normalize_slices_is_between_the_percentiles_of_each_slice() -> None:
    image = torch.rand(2, 15, 16, 3) * torch.tensor([1.0, 10.0, 100.0]) + torch.tensor([0.0, -5.0, 7.0])
    done = normalize_slices(image, (5, 90))
    for channel in range(2):
        for k in range(3):
            values = image[channel, ..., k].numpy()
            low, high = np.percentile(values, (5, 90))
            expected = np.clip((values - low) / (high - low), 0, 1)
            np.testing.assert_allclose(done[channel, ..., k].numpy(), expected, atol=1e-5)


def test_a_2d_scan_is_one_slice() -> None:
    image = torch.rand(2, 15, 16) * 300
    assert torch.equal(normalize_slices(image), normalize_slices(image[..., None])[..., 0])


def test_outliers_are_clipped() -> None:
    image = torch.cat([torch.rand(999), torch.tensor([1e6])]).reshape(1, 25, 40)
    done = normalize_slices(image)
    assert done.min() == 0
    assert (done == 1).sum() == 10
    assert done.median() == pytest.approx(0.5, abs=0.05)


def test_constant_slices_are_zero_and_nearly_constant_ones_keep_what_is_there() -> None:
    image = torch.full((1, 20, 20, 2), 7.0)
    image[0, 3, 4, 1] = 9
    done = normalize_slices(image)
    assert done[..., 0].count_nonzero() == 0
    assert done[..., 1].nonzero().tolist() == [[0, 3, 4]]
    assert done[0, 3, 4, 1] == 1


def test_dictionary_form_keeps_affine_type_and_input() -> None:
    affine = torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0]))
    image = MetaTensor(torch.rand(1, 6, 5) * 100, affine=affine, meta={"stored_dtype": "int16"})
    before = image.clone()
    data = {"image": image, "other": 1}
    done = NormalizeSlicesd("image")(data)
    assert torch.equal(image, before)
    assert isinstance(done["image"], MetaTensor)
    assert torch.equal(torch.as_tensor(done["image"].affine), affine.double())
    assert done["image"].meta["stored_dtype"] == "int16"
    assert done["image"].dtype == torch.float32
    assert done["other"] == 1


@pytest.mark.parametrize("shape", [(5, 5), (1, 2, 3, 4, 5)])
def test_other_axes_are_told(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"normalize_slices\(\) expects 'image' of shape \(C, H, W\) or .*, got"):
        normalize_slices(torch.rand(shape))


@pytest.mark.parametrize("percentiles", [(99, 1), (1,), (-1, 99), (1, 101)])
def test_other_percentiles_are_told(percentiles: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="expects two ascending 'percentiles' from 0 to 100, got"):
        normalize_slices(torch.rand(1, 5, 5), percentiles)
