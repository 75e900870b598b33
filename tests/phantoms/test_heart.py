"""The heart's truth is true, and it beats as a heart does."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from common.phantoms import PhantomPair, heart_phantom
from common.phantoms.heart import LABEL_NAMES


@pytest.fixture(scope="module")
def pair() -> PhantomPair:
    return heart_phantom()


def voxels(pair: PhantomPair, points: NDArray) -> NDArray:
    """Points ``(N, 2)``, LPS mm, in voxels ``(2, N)``."""
    lps = np.diag([-1.0, -1.0, 1.0]) @ pair.fixed_affine
    return np.linalg.solve(lps[:2, :2], (points - lps[:2, 2]).T)


def warped(pair: PhantomPair, moving: NDArray) -> NDArray:
    """The moving array where the truth has it on the fixed grid, nearest neighbor."""
    spacing = np.abs(pair.fixed_affine[0, 0])
    places = np.indices(moving.shape) + pair.displacement / spacing  # the axes are those of LPS
    return map_coordinates(moving, places, order=0, mode="nearest")


def test_displacement_carries_labels_images_and_keypoints(pair: PhantomPair) -> None:
    label = warped(pair, pair.moving_label)
    for value in LABEL_NAMES:
        first, second = label == value, pair.fixed_label == value
        assert 2 * (first & second).sum() / (first.sum() + second.sum()) > 0.93  # the wall is a few voxels wide
    before = np.corrcoef(pair.moving_image.ravel(), pair.fixed_image.ravel())[0, 1]
    after = np.corrcoef(warped(pair, pair.moving_image).ravel(), pair.fixed_image.ravel())[0, 1]
    assert after > before + 0.02
    at = voxels(pair, pair.fixed_keypoints)
    moved = pair.fixed_keypoints + np.stack([map_coordinates(u, at, order=1) for u in pair.displacement], axis=1)
    np.testing.assert_allclose(moved, pair.moving_keypoints, atol=0.1)
    assert np.linalg.norm(pair.fixed_keypoints - pair.moving_keypoints, axis=1).mean() > 5


def test_the_ventricle_empties_and_its_wall_grows_thick(pair: PhantomPair) -> None:
    cavity, wall, _ = (
        (pair.fixed_label == value).sum() / (pair.moving_label == value).sum() for value in sorted(LABEL_NAMES)
    )
    assert 0.4 < cavity < 0.65
    assert 0.8 < wall < 1.1


def test_nothing_folds(pair: PhantomPair) -> None:
    field = pair.displacement / np.abs(pair.fixed_affine[0, 0])
    slopes = np.stack([np.stack(np.gradient(component), axis=-1) for component in field], axis=-2)
    assert np.linalg.det(slopes + np.eye(2)).min() > 0.3


def test_the_same_seed_gives_the_same_pair(pair: PhantomPair) -> None:
    assert np.array_equal(heart_phantom().fixed_image, pair.fixed_image)
    assert not np.array_equal(heart_phantom(seed=1).fixed_image, pair.fixed_image)


def test_no_contraction_is_no_motion() -> None:
    still = heart_phantom(contraction=0)
    assert np.abs(still.displacement).max() == 0
    assert np.array_equal(still.fixed_label, still.moving_label)


def test_heart_phantom_rejects_what_it_cannot_make() -> None:
    with pytest.raises(ValueError, match="expects a field of view of 180 mm or more"):
        heart_phantom((64, 64), 1.0)
    with pytest.raises(ValueError, match="expects 'contraction' from 0 to less than 2, got 3"):
        heart_phantom(contraction=3)
