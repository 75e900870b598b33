"""Foerstner key points against the recorded set of graphregnet, and against the definition by SciPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from common.features import foerstner_keypoints

Oracle = Callable[[str], dict[str, np.ndarray]]


def ordered(points: torch.Tensor) -> list[list[int]]:
    return sorted(points.tolist())


def corner(*shape: int) -> torch.Tensor:
    image = torch.zeros(1, 1, *shape)
    image[..., shape[0] // 2 :, shape[1] // 2 :, shape[2] // 2 :] = 1
    return image


def test_foerstner_keypoints_equals_released_code(oracle: Oracle) -> None:
    recorded = oracle("foerstner_keypoints")
    image, mask = torch.tensor(recorded["img"]), torch.tensor(recorded["mask"])
    half = (torch.tensor(image.shape[2:]) - 1) / 2
    expected = ((torch.tensor(recorded["kpts_norm_xyz"])[0].flip(1) + 1) * half).round().long()
    assert ordered(foerstner_keypoints(image, mask)) == ordered(expected)


def test_foerstner_keypoints_are_maxima_of_their_definition() -> None:
    """SciPy's filters and NumPy's inverse give the same points."""
    image = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(14, 16, 18)), 1.5)
    slopes = [
        ndimage.correlate1d(image, [1 / 12, -2 / 3, 0, 2 / 3, -1 / 12], axis, mode="nearest") for axis in range(3)
    ]
    tensor = np.array([[ndimage.gaussian_filter(a * b, 1.4, mode="nearest", radius=3) for a in slopes] for b in slopes])
    inverse = np.linalg.inv(np.moveaxis(tensor, (0, 1), (-2, -1)))
    distinct = 1 / np.trace(inverse, axis1=-2, axis2=-1)
    expected = np.argwhere((ndimage.maximum_filter(distinct, 7, mode="constant") == distinct) & (distinct > 1e-8))
    points = foerstner_keypoints(torch.tensor(image)[None, None], window=7)
    assert len(expected) > 5
    assert ordered(points) == expected.tolist()


@pytest.mark.parametrize("axes", [(0,), (1, 2)], ids=["plane", "edge"])
def test_foerstner_keypoints_leave_out_what_has_no_corner(axes: tuple[int, ...]) -> None:
    image = torch.zeros(1, 1, 12, 13, 14)
    image[(..., *(slice(6, None) if axis in axes else slice(None) for axis in range(3)))] = 1
    assert foerstner_keypoints(image).shape == (0, 3)


def test_foerstner_keypoints_ignores_what_a_mask_excludes() -> None:
    image = corner(12, 14, 16)
    [place] = foerstner_keypoints(image, window=11).tolist()
    mask = torch.zeros(1, 1, 12, 14, 16)
    mask[..., : place[0] + 1, :, :] = 1  # the corner is its outermost voxel
    assert place not in foerstner_keypoints(image, mask, window=11).tolist()
    mask[..., : place[0] + 2, :, :] = 1
    assert foerstner_keypoints(image, mask, window=11).tolist() == [place]


def test_foerstner_keypoints_do_not_depend_on_gain() -> None:
    image = torch.randn(1, 1, 10, 12, 14, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(foerstner_keypoints(image), foerstner_keypoints(1000 * image + 7))


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((2, 1, 6, 7, 8), {}, r"expects 'image' of shape \(1, 1, H, W, D\), got \(2, 1, 6, 7, 8\)"),
        ((1, 1, 6, 7), {}, r"expects 'image' of shape \(1, 1, H, W, D\), got \(1, 1, 6, 7\)"),
        ((1, 1, 6, 7, 8), {"mask": torch.ones(6, 7, 8)}, r"'mask' of shape \(1, 1, 6, 7, 8\), got \(6, 7, 8\)"),
        ((1, 1, 6, 7, 8), {"sigma": 0}, "expects 'sigma' above 0, got 0"),
        ((1, 1, 6, 7, 8), {"window": 4}, "expects 'window' to be odd and positive, got 4"),
    ],
)
def test_foerstner_keypoints_raises(shape: tuple[int, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        foerstner_keypoints(torch.zeros(shape), **options)
