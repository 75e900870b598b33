"""The truth between the crops of two heads is true."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from common.phantoms import PhantomPair, hippocampus_phantom
from common.phantoms.hippocampus import LABEL_NAMES

TO_VOXELS = np.array([-1.0, -1.0, 1.0])  # voxels of 1 mm run to the right, front and head


@pytest.fixture(scope="module")
def pair() -> PhantomPair:
    return hippocampus_phantom()


def warped(pair: PhantomPair, moving: NDArray) -> NDArray:
    """The moving array where the truth has it on the fixed grid, nearest neighbor."""
    places = np.indices(moving.shape) + pair.displacement * TO_VOXELS[:, None, None, None]
    return map_coordinates(moving, places, order=0, mode="nearest")


def test_displacement_carries_labels_images_and_keypoints(pair: PhantomPair) -> None:
    label = warped(pair, pair.moving_label)
    for value in LABEL_NAMES:
        first, second, before = label == value, pair.fixed_label == value, pair.moving_label == value
        assert 2 * (first & second).sum() / (first.sum() + second.sum()) > 0.93
        assert 2 * (before & second).sum() / (before.sum() + second.sum()) < 0.8
    before, after = (
        np.corrcoef(image.ravel(), pair.fixed_image.ravel())[0, 1]
        for image in (pair.moving_image, warped(pair, pair.moving_image))
    )
    assert after > before + 0.2
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ pair.fixed_affine
    at = np.linalg.solve(lps[:3, :3], (pair.fixed_keypoints - lps[:3, 3]).T)
    moved = pair.fixed_keypoints + np.stack([map_coordinates(u, at, order=1) for u in pair.displacement], axis=1)
    np.testing.assert_allclose(moved, pair.moving_keypoints, atol=0.1)
    assert (map_coordinates(pair.fixed_label, at, order=0) > 0).mean() > 0.6


def test_nothing_folds(pair: PhantomPair) -> None:
    field = pair.displacement * TO_VOXELS[:, None, None, None]
    slopes = np.stack([np.stack(np.gradient(component), axis=-1) for component in field], axis=-2)
    assert np.linalg.det(slopes + np.eye(3)).min() > 0.3


def test_the_same_seed_gives_the_same_pair(pair: PhantomPair) -> None:
    assert np.array_equal(hippocampus_phantom().fixed_image, pair.fixed_image)
    assert not np.array_equal(hippocampus_phantom(seed=1).fixed_image, pair.fixed_image)


def test_no_difference_is_no_deformation() -> None:
    alike = hippocampus_phantom(difference_mm=0)
    assert np.abs(alike.displacement).max() == 0
    assert np.array_equal(alike.fixed_label, alike.moving_label)


def test_hippocampus_phantom_rejects_what_it_cannot_make() -> None:
    with pytest.raises(ValueError, match="expects 15 x 36 x 13 voxels or more"):
        hippocampus_phantom((36, 30, 34))
    with pytest.raises(ValueError, match="expects 'difference_mm' from 0 to 3, got 4"):
        hippocampus_phantom(difference_mm=4)
