"""Random curves of gray values, against NumPy."""

import numpy as np
import pytest
import torch

from common.transforms import random_contrast
from common.transforms.contrast import KNOTS


def test_each_image_goes_through_a_curve_of_its_own() -> None:
    torch.manual_seed(0)
    images = torch.rand(3, 1, 5, 6, 7) * 40 - 10
    changed = random_contrast(images, 1.0, torch.Generator().manual_seed(1))
    curves = []
    for before, after in zip(images, changed, strict=True):
        low, high = before.min(), before.max()
        x, y = ((each.flatten().double() - low) / (high - low) for each in (before, after))
        knots = np.linspace(0, 1, KNOTS)
        values = np.array([np.interp(knot, *(each.numpy()[x.argsort()] for each in (x, y))) for knot in knots])
        assert (np.abs(np.interp(x, knots, values) - y.numpy()) < 0.1).all()  # a curve: straight between its knots
        assert y.min() >= -1e-6
        assert y.max() <= 1 + 1e-6
        curves.append(values)
    assert np.abs(curves[0] - curves[1]).max() > 0.1


def test_strength_says_how_much_changes() -> None:
    torch.manual_seed(0)
    images = torch.rand(40, 1, 4, 4, 4)
    assert random_contrast(images, 0.0) is images
    errors = [(random_contrast(images, strength) - images).abs().mean() for strength in (0.1, 0.5, 1.0)]
    assert 0 < errors[0] < errors[1] < errors[2]
    falling = random_contrast(torch.linspace(0, 1, 64).expand(200, 1, 64), 1.0).diff(dim=2) < 0
    assert falling.any(dim=2).float().mean() > 0.3  # tissues change their order


def test_an_image_of_one_value_stays_as_it_is() -> None:
    torch.testing.assert_close(random_contrast(torch.full((1, 1, 3, 3), 7.0), 1.0), torch.full((1, 1, 3, 3), 7.0))


def test_strength_has_bounds() -> None:
    with pytest.raises(ValueError, match=r"random_contrast\(\) expects 'strength' from 0 to 1, got 2"):
        random_contrast(torch.zeros(1, 1, 2, 2), 2.0)
