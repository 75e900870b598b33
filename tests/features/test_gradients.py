from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_gradient_magnitude

from common.features import gradient_magnitude


@pytest.mark.parametrize("sigma", [0.5, 1.3])
@pytest.mark.parametrize("shape", [(9, 8), (7, 8, 9), (3, 1, 2)])
def test_magnitude_is_that_of_scipy(shape: tuple[int, ...], sigma: float) -> None:
    torch.manual_seed(0)
    image = torch.randn(2, 3, *shape, dtype=torch.float64)
    theirs = [[gaussian_gradient_magnitude(channel, sigma) for channel in item] for item in image.numpy()]
    np.testing.assert_allclose(gradient_magnitude(image, sigma, None, 1.0), theirs, atol=1e-12)


@pytest.mark.parametrize("name", ["I1", "I2"])
def test_magnitude_is_that_of_the_recorded_images(oracle: Callable, name: str) -> None:
    recorded = oracle("002_gryds_images")
    ours = gradient_magnitude(torch.from_numpy(recorded[name])[None, None], 0.5, None, 1.0)
    np.testing.assert_allclose(ours[0, 0], recorded[f"ggm_{name}"], atol=1e-5)


def test_magnitude_does_not_see_beyond_air_and_bone() -> None:
    image = torch.tensor([-3024.0, -1000.0, -1000.0]).repeat_interleave(5).view(1, 1, 1, -1).expand(1, 1, 4, -1)
    assert gradient_magnitude(image).abs().max() < 1e-5
    assert gradient_magnitude(image, intensity_range=None).max() > 1
    edge = torch.tensor([40.0, 3000.0]).repeat_interleave(5).view(1, 1, 1, -1).expand(1, 1, 4, -1)
    torch.testing.assert_close(gradient_magnitude(edge), gradient_magnitude(edge.clamp(max=500)))


def test_unit_divides() -> None:
    image = torch.randn(1, 1, 6, 7)
    torch.testing.assert_close(4 * gradient_magnitude(image, unit=4.0), gradient_magnitude(image, unit=1.0))


def test_integers_and_half_precision_are_computed_in_float32() -> None:
    image = torch.randint(-1000, 400, (1, 1, 6, 7), dtype=torch.int16)
    torch.testing.assert_close(gradient_magnitude(image), gradient_magnitude(image.float()))
    assert gradient_magnitude(image.half()).dtype == torch.float32


def test_wrong_arguments_raise() -> None:
    with pytest.raises(ValueError, match=r"expects 'sigma' and 'unit' above 0, got 0 and 1"):
        gradient_magnitude(torch.zeros(1, 1, 4, 4), 0, unit=1)
    with pytest.raises(ValueError, match=r"expects 'image' of shape"):
        gradient_magnitude(torch.zeros(4, 4))
