"""The breath's truth is true: labels, intensities and forks of vessels go where it says."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, map_coordinates

from common.phantoms import PhantomPair, chest_phantom
from common.phantoms._breath import draw_breath, normalized
from common.phantoms.chest import LABEL_NAMES

SHAPE, SPACING = (64, 48, 60), (5.4, 5.0, 4.4)


@pytest.fixture(scope="module")
def pair() -> PhantomPair:
    return chest_phantom(SHAPE, SPACING, seed=1)


def signs(pair: PhantomPair) -> NDArray:
    """LPS mm of one step along each axis."""
    return np.diag(pair.fixed_affine)[:3] * np.array([-1.0, -1.0, 1.0])


def voxels(pair: PhantomPair, points: NDArray) -> NDArray:
    """Points ``(N, 3)``, LPS, to voxel coordinates ``(3, N)``."""
    origin = pair.fixed_affine[:3, 3] * np.array([-1, -1, 1])
    return ((points - origin) / signs(pair)).T


def warped(pair: PhantomPair, array: NDArray, order: int = 0) -> NDArray:
    places = np.indices(pair.fixed_image.shape) + pair.displacement / signs(pair).reshape(3, 1, 1, 1)
    return map_coordinates(array, places, order=order, mode="nearest")


def lungs(label: NDArray) -> NDArray:
    return (label == 1) | (label == 2)


def test_displacement_carries_labels_and_images(pair: PhantomPair) -> None:
    label = warped(pair, pair.moving_label)
    for value in LABEL_NAMES:
        first, second = label == value, pair.fixed_label == value
        assert 2 * (first & second).sum() / (first.sum() + second.sum()) > 0.93
    before, after = (
        np.abs(image - pair.fixed_image).mean() for image in (pair.moving_image, warped(pair, pair.moving_image, 1))
    )
    assert after < 0.5 * before


def test_forks_go_where_the_displacement_says(pair: PhantomPair) -> None:
    assert len(pair.fixed_keypoints) > 100
    deep = map_coordinates(
        binary_erosion(lungs(pair.fixed_label), iterations=2), voxels(pair, pair.fixed_keypoints), order=0
    )
    at = voxels(pair, pair.fixed_keypoints[deep])
    moved = pair.fixed_keypoints[deep] + np.stack([map_coordinates(u, at, order=1) for u in pair.displacement], axis=1)
    np.testing.assert_allclose(moved, pair.moving_keypoints[deep], atol=0.5)
    distances = np.linalg.norm(pair.fixed_keypoints - pair.moving_keypoints, axis=1)
    assert distances.mean() > 10
    assert distances.max() > 20
    for label, points in ((pair.fixed_label, pair.fixed_keypoints), (pair.moving_label, pair.moving_keypoints)):
        assert map_coordinates(lungs(label).astype(float), voxels(pair, points), order=1).mean() > 0.9


def test_vessels_and_airways_are_at_their_forks() -> None:
    pair = chest_phantom((88, 62, 80), (3.6, 3.6, 3.2), seed=2)
    for image, label, points in (
        (pair.fixed_image, pair.fixed_label, pair.fixed_keypoints),
        (pair.moving_image, pair.moving_label, pair.moving_keypoints),
    ):
        at_forks = map_coordinates(image, voxels(pair, points), order=1)
        plain = np.median(image[lungs(label)])
        assert (np.abs(at_forks - plain) > 70).mean() > 0.8


@pytest.mark.parametrize("rise", [20.0, 30.0])
def test_diaphragm_rises_and_the_apex_stays(rise: float) -> None:
    pair = chest_phantom(SHAPE, SPACING, diaphragm_mm=rise)
    upward = pair.displacement[2]
    liver = binary_erosion(pair.fixed_label == 4)
    top = np.argwhere(liver)[:, 2] > np.quantile(np.argwhere(liver)[:, 2], 0.9)
    domes = upward[tuple(np.argwhere(liver)[top].T)]
    assert 0.8 * rise < domes.mean() < 1.15 * rise
    heights = np.argwhere(lungs(pair.fixed_label))
    apex = heights[heights[:, 2] > heights[:, 2].max() - 2]
    assert np.abs(upward[tuple(apex.T)]).mean() < 5
    assert lungs(pair.moving_label).sum() < 0.92 * lungs(pair.fixed_label).sum()


def test_lungs_slide_along_the_ribs(pair: PhantomPair) -> None:
    """From one voxel to the next across the pleura the field jumps, above all along the ribs."""
    upward = pair.displacement[2]
    inside = lungs(pair.fixed_label)
    low = slice(12, 24)  # above the diaphragm's edge, where there is most motion
    jumps = np.abs(np.diff(upward, axis=0))[:, :, low]
    across = (inside[1:] != inside[:-1])[:, :, low] & ~(pair.fixed_label[1:] == 3)[:, :, low]
    within = (inside[1:] & inside[:-1])[:, :, low]
    assert np.median(np.sort(jumps[across])[-20:]) > 8
    assert jumps[within].max() < 4


def test_nothing_folds_inside_and_lungs_keep_their_mass(pair: PhantomPair) -> None:
    field = pair.displacement / signs(pair).reshape(3, 1, 1, 1)
    slopes = np.stack([np.stack(np.gradient(component), axis=-1) for component in field], axis=-2)
    determinant = np.linalg.det(slopes + np.eye(3))
    deep = binary_erosion(lungs(pair.fixed_label), iterations=2)
    assert determinant[deep].min() > 0.4
    masses = [
        (image[lungs(label)].astype(float) + 1000).sum()
        for image, label in ((pair.fixed_image, pair.fixed_label), (pair.moving_image, pair.moving_label))
    ]
    assert masses[0] / masses[1] == pytest.approx(1, abs=0.06)


def test_breath_has_its_inverse() -> None:
    generator = np.random.default_rng(0)
    breath = draw_breath(generator, 28.0)
    points = generator.uniform(-90, 90, (3, 500))
    points = points[:, normalized(points)[1] > 5]
    back = breath(breath.inverse(points))[0]
    assert np.abs(back - points).max() < 0.02


def test_the_same_seed_gives_the_same_pair(pair: PhantomPair) -> None:
    again = chest_phantom(SHAPE, SPACING, seed=1)
    assert np.array_equal(again.fixed_image, pair.fixed_image)
    assert not np.array_equal(chest_phantom(SHAPE, SPACING, seed=2).moving_image, pair.moving_image)
    assert pair.fixed_image.dtype == np.float32
    assert pair.fixed_image.min() >= -1024


def test_chest_phantom_rejects_what_it_cannot_make() -> None:
    with pytest.raises(ValueError, match="expects a field of view of 250 x 170 x 200 mm or more"):
        chest_phantom((32, 32, 32), (3.0, 3.0, 3.0))
    with pytest.raises(ValueError, match="expects 'diaphragm_mm' from 0 to 40, got 50"):
        chest_phantom(diaphragm_mm=50)
