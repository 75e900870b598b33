"""The phantom's truth is true, and its two scans really differ."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from common.phantoms import PhantomPair, torso_phantom, write_phantom
from common.phantoms._waves import flow, random_waves
from common.phantoms.torso import LABEL_NAMES

SHAPE, SPACING, LARGEST = (64, 56, 72), (3.0, 2.5, 4.0), 9.0


@pytest.fixture(scope="module")
def pair() -> PhantomPair:
    return torso_phantom(SHAPE, SPACING, LARGEST, seed=1)


@pytest.fixture(scope="module")
def flat_pair() -> PhantomPair:
    return torso_phantom((96, 80), (2.0, 2.5), 8.0, seed=2)


def lps(affine: NDArray) -> NDArray:
    return np.diag([-1.0, -1.0, *[1.0] * (len(affine) - 2)]) @ affine


def to_voxels(points: NDArray, affine: NDArray) -> NDArray:
    """Points ``(N, d)`` in LPS mm to voxel coordinates ``(d, N)``."""
    d = len(affine) - 1
    return np.linalg.solve(lps(affine)[:d, :d], (points - lps(affine)[:d, d]).T)


def on_fixed_grid(pair: PhantomPair, moving: NDArray, displaced: bool) -> NDArray:
    """The moving array seen on the fixed grid, nearest neighbor."""
    shape, d = pair.fixed_image.shape, pair.fixed_image.ndim
    voxels = np.indices(shape).reshape(d, -1)
    world = lps(pair.fixed_affine)[:d, :d] @ voxels + lps(pair.fixed_affine)[:d, d:]
    if displaced:
        world = world + pair.displacement.reshape(d, -1)
    return map_coordinates(moving, to_voxels(world.T, pair.moving_affine), order=0).reshape(shape)


def mean_dice(first: NDArray, second: NDArray) -> float:
    labels = np.unique(first[first > 0])
    overlaps = [2 * ((first == n) & (second == n)).sum() / ((first == n).sum() + (second == n).sum()) for n in labels]
    return float(np.mean(overlaps))


def smallest_jacobian(pair: PhantomPair) -> float:
    spacing = np.sqrt((pair.fixed_affine[:-1, :-1] ** 2).sum(0))
    # The fixed grid is not oblique: LPS components are voxel axes up to sign.
    signs = np.diag(lps(pair.fixed_affine))[:-1] / spacing
    components = [u * sign / h for u, sign, h in zip(pair.displacement, signs, spacing, strict=True)]
    slopes = np.stack([np.stack(np.gradient(u), axis=-1) for u in components], axis=-2)
    return float(np.linalg.det(slopes + np.eye(len(spacing))).min())


def test_flow_backwards_is_the_inverse_and_steps_suffice() -> None:
    generator = np.random.default_rng(0)
    velocity = random_waves(generator, (0.7, 2.0), np.array([200.0, 160.0, 280.0]), components=3, count=10)
    points = generator.uniform(-100, 100, (3, 500))
    moved = flow(velocity, points, 16.0)
    assert np.linalg.norm(moved - points, axis=0).max() > 20
    assert np.abs(flow(velocity, moved, -16.0) - points).max() < 1e-2
    assert np.abs(moved - flow(velocity, points, 16.0, steps=40)).max() < 1e-2


@pytest.mark.parametrize("name", ["pair", "flat_pair"])
def test_displacement_carries_fixed_keypoints_to_moving_keypoints(name: str, request: pytest.FixtureRequest) -> None:
    pair: PhantomPair = request.getfixturevalue(name)
    at = to_voxels(pair.fixed_keypoints, pair.fixed_affine)
    moved = pair.fixed_keypoints + np.stack([map_coordinates(u, at, order=1) for u in pair.displacement], axis=1)
    assert np.linalg.norm(moved - pair.moving_keypoints, axis=1).max() < 0.1


def test_keypoints_are_many_and_apart_before_registration(pair: PhantomPair) -> None:
    assert 30 <= len(pair.fixed_keypoints) <= 60
    assert 4 < np.linalg.norm(pair.fixed_keypoints - pair.moving_keypoints, axis=1).mean() < 25


@pytest.mark.parametrize("name", ["pair", "flat_pair"])
def test_displacement_aligns_the_labels(name: str, request: pytest.FixtureRequest) -> None:
    pair: PhantomPair = request.getfixturevalue(name)
    before = mean_dice(pair.fixed_label, on_fixed_grid(pair, pair.moving_label, displaced=False))
    after = mean_dice(pair.fixed_label, on_fixed_grid(pair, pair.moving_label, displaced=True))
    assert before < 0.75
    assert after > 0.93  # voxels here are coarse for the vessels


def test_displacement_aligns_the_labels_at_default_size() -> None:
    pair = torso_phantom()
    before = mean_dice(pair.fixed_label, on_fixed_grid(pair, pair.moving_label, displaced=False))
    assert 0.4 < before < 0.65
    assert mean_dice(pair.fixed_label, on_fixed_grid(pair, pair.moving_label, displaced=True)) > 0.95


def test_displacement_aligns_the_images(pair: PhantomPair) -> None:
    inside = pair.fixed_label > 0
    before, after = (
        np.corrcoef(pair.fixed_image[inside], on_fixed_grid(pair, pair.moving_image, displaced)[inside])[0, 1]
        for displaced in (False, True)
    )
    assert before < 0.8
    assert 0.85 < after < 0.99  # contrast, bias and noise differ


@pytest.mark.parametrize("largest", [0.0, 4.0, 9.0])
def test_torso_phantom_reaches_the_displacement_asked_for(largest: float) -> None:
    pair = torso_phantom((40, 36, 44), SPACING, largest, seed=3)
    length = np.linalg.norm(pair.displacement / np.reshape(SPACING, (3, 1, 1, 1)), axis=0)
    assert length.max() == pytest.approx(largest, rel=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_torso_phantom_does_not_fold(seed: int) -> None:
    assert smallest_jacobian(torso_phantom((40, 36, 44), SPACING, 8.0, seed)) > 0.05


def test_torso_phantom_moving_grid_differs(pair: PhantomPair) -> None:
    assert pair.moving_image.shape != pair.fixed_image.shape
    assert nib.aff2axcodes(pair.moving_affine) != nib.aff2axcodes(pair.fixed_affine) == ("R", "A", "S")
    voxel = np.sqrt((pair.moving_affine[:3, :3] ** 2).sum(0))
    assert not np.isclose(voxel[:, None], SPACING).any()
    assert np.abs(pair.moving_affine[:3, :3] / voxel).max(0).max() < 0.999  # oblique


def test_torso_phantom_intensities(pair: PhantomPair) -> None:
    for image in (pair.fixed_image, pair.moving_image):
        assert image.dtype == np.float32
        assert image.min() == 0
        assert 250 < image.max() < 600
    assert pair.fixed_image[0, 0].mean() < 5


def test_torso_phantom_labels(pair: PhantomPair, flat_pair: PhantomPair) -> None:
    assert pair.fixed_label.dtype == pair.moving_label.dtype == np.uint8
    assert set(np.unique(pair.fixed_label)) == {0, *LABEL_NAMES}
    assert len(np.unique(flat_pair.fixed_label)) > 6


def test_torso_phantom_liver_is_on_the_right(pair: PhantomPair) -> None:
    number = {name: label for label, name in LABEL_NAMES.items()}
    right, left = (np.argwhere(pair.fixed_label == number[name]).mean(0) for name in ("liver", "spleen"))
    lung, bladder = (np.argwhere(pair.fixed_label == number[name]).mean(0) for name in ("left lung", "bladder"))
    assert right[0] > left[0]
    assert lung[2] > bladder[2]
    assert np.argwhere(pair.fixed_label == number["spine"]).mean(0)[1] < bladder[1]


def test_torso_phantom_same_seed_same_pair(pair: PhantomPair) -> None:
    again, other = (torso_phantom(SHAPE, SPACING, LARGEST, seed) for seed in (1, 2))
    for name, array in vars(pair).items():
        assert np.array_equal(array, getattr(again, name)), name
    assert not np.array_equal(pair.fixed_image, other.fixed_image)
    assert not np.array_equal(pair.displacement, other.displacement)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((96,), (1.0,), 1.0), "'spatial_shape' of 2 or 3 sides of 16 or more voxels, got \\(96,\\)"),
        (((96, 80, 8), (1.0, 1.0, 1.0), 1.0), "16 or more voxels, got \\(96, 80, 8\\)"),
        (((96, 80, 64), (1.0, 1.0), 1.0), "'spacing' of 3 positive lengths, got \\(1.0, 1.0\\)"),
        (((96, 80), (1.0, 0.0), 1.0), "'spacing' of 2 positive lengths, got \\(1.0, 0.0\\)"),
        (
            ((96, 80, 64), (1.0, 1.0, 1.0), 17.0),
            "between 0 and a quarter of the shortest side \\(16 voxels\\), got 17.0",
        ),
        (((96, 80, 64), (1.0, 1.0, 1.0), -1.0), "got -1.0"),
    ],
)
def test_torso_phantom_rejects(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        torso_phantom(*arguments)


@pytest.mark.parametrize("name", ["pair", "flat_pair"])
def test_write_phantom_round_trip(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    pair: PhantomPair = request.getfixturevalue(name)
    d = pair.fixed_image.ndim
    paths = write_phantom(pair, tmp_path / "new" / "folder")
    assert sorted(paths) == sorted(key for key in vars(pair) if not key.endswith("affine"))
    for key in ("fixed_image", "moving_image", "fixed_label", "moving_label"):
        image, expected = nib.Nifti1Image.from_filename(paths[key]), getattr(pair, key)
        assert np.array_equal(np.asarray(image.dataobj).reshape(expected.shape), expected)
        affine = getattr(pair, f"{key.split('_')[0]}_affine")
        np.testing.assert_allclose(image.affine[:d, [*range(d), 3]], affine[:d], atol=1e-4)
    for key in ("fixed_keypoints", "moving_keypoints"):
        assert paths[key].read_text().splitlines()[0] == ",".join("xyz"[:d])
        np.testing.assert_allclose(np.loadtxt(paths[key], delimiter=",", skiprows=1), getattr(pair, key), atol=1e-3)
    field = nib.Nifti1Image.from_filename(paths["displacement"])
    assert field.shape == (*pair.fixed_image.shape, *[1] * (4 - d), d)
    assert field.header.get_intent()[0] == "vector"
    assert np.array_equal(np.moveaxis(field.get_fdata(), -1, 0).reshape(pair.displacement.shape), pair.displacement)


def test_convention_displacement_file_is_an_itk_transform(pair: PhantomPair, tmp_path: Path) -> None:
    itk = pytest.importorskip("SimpleITK")
    paths = write_phantom(pair, tmp_path)
    transform = itk.DisplacementFieldTransform(itk.ReadImage(str(paths["displacement"]), itk.sitkVectorFloat64))
    moved = [transform.TransformPoint(point) for point in pair.fixed_keypoints.tolist()]
    assert np.linalg.norm(np.array(moved) - pair.moving_keypoints, axis=1).max() < 0.1
