"""A breathing chest at both ends of a breath: lungs that slide along the ribs, and the exact motion."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import expit

from ._branches import Branches, grow
from ._breath import draw_breath, normalized
from ._scan_grid import centered_affine, inside, voxel_points
from ._waves import BLOCK, Waves, random_waves
from .torso import PhantomPair

LABEL_NAMES = {1: "right lung", 2: "left lung", 3: "heart", 4: "liver"}
EDGE_MM = 0.8  # an edge is a logistic of this width: partial volume
AIR, LUNG, FAT, MUSCLE, BLOOD, LIVER, BONE = -1000.0, -780.0, -90.0, 40.0, 45.0, 65.0, 420.0  # HU, exhaled
RIB_EVERY_MM = 27.0
LARGEST_RISE_MM = 40.0


class _Parts(NamedTuple):
    """About how deep points lie in what the chest is divided into, exhaled, mm, negative outside, ``(N,)`` each."""

    lung: NDArray
    cavity: NDArray
    diaphragm: NDArray  # above it
    heart: NDArray
    mediastinum: NDArray


class _Chest(NamedTuple):
    """One patient, exhaled: a function of space."""

    airways: Branches
    vessels: Branches
    mottle: Waves

    def look(self, points: NDArray, density: NDArray) -> tuple[NDArray, NDArray]:
        """HU and label at points ``(3, N)``, where the lungs are ``density`` times as dense as exhaled."""
        image, label = np.full(points.shape[1], AIR), np.zeros(points.shape[1], np.uint8)
        body = np.flatnonzero(_skin(points) > -5)
        for start in range(0, len(body), BLOCK):
            part = body[start : start + BLOCK]
            image[part], label[part] = self._look(points[:, part], density[part])
        return image, label

    def _look(self, points: NDArray, density: NDArray) -> tuple[NDArray, NDArray]:
        x, y, z = points
        mottle = self.mottle(points)[0]
        lung, depth, above, heart, middle = _parts(points)
        airways, vessels = self.airways.depth(points), self.vessels.depth(points)
        ribs = np.minimum(np.minimum(-depth - 3, 11 + depth), 7 * np.sin(2 * np.pi * (z - 0.4 * y) / RIB_EVERY_MM) - 1)
        body = _skin(points)
        layers = [
            (FAT, body),
            (MUSCLE, body - 9),
            (BONE, np.where(np.isfinite(ribs), ribs, -1e3)),
            (BONE, _ellipsoid(points, (0, 96, 0), (17, 17, 1e6))),
            (LIVER, np.minimum(depth, -above)),
            (MUSCLE - 70 * (z > 60), np.minimum(depth, middle)),
            (BLOOD, np.minimum(depth, heart)),
            (AIR + (LUNG - AIR) * density * (1 + 0.12 * mottle), lung),
            (BLOOD, np.minimum(vessels, lung)),
            (0.0, airways + 1.2),
            (AIR, airways),
        ]
        image = np.full(len(x), AIR)
        for intensity, inner in layers:
            image += expit(inner / EDGE_MM) * (intensity - image)
        image += np.where(image > -500, 8 * mottle, 0)
        label = np.where(lung > 0, np.where(x < 0, 1, 2), 0)
        label = np.where(np.minimum(depth, heart) > 0, 3, label)
        label = np.where((np.minimum(depth, -above) > 0) & (x < 30) & (heart < 0), 4, label)
        return image, label.astype(np.uint8)


def chest_phantom(
    spatial_shape: tuple[int, int, int] = (96, 72, 88),
    spacing: tuple[float, float, float] = (3.6, 3.4, 3.0),
    diaphragm_mm: float = 25.0,
    seed: int = 0,
) -> PhantomPair:
    """Make two phases of a breathing chest, with known correspondence.

    The chest at the end of exhaling (moving) is a function of space. At the end of inhaling (fixed) it is seen through
    the motion: inside the cavity all slides along the ribs, from the diaphragm, which rises, to the apex, which stays;
    the rib cage narrows, and all bends smoothly. The field jumps at the pleura, and lungs that shrink grow denser.
    Nothing is resampled. Both phases lie on one grid, as those of a 4-D CT do, and differ in noise.

    Args:
        spatial_shape: of both phases; axes towards the patient's right, front and head.
        spacing: voxel size, mm.
        diaphragm_mm: by how much the middle of the diaphragm rises; 20 to 30 in quiet breathing.
        seed: the same seed gives the same pair.

    Returns:
        The pair, in HU; labels are named in `LABEL_NAMES`, key points are where airways and vessels fork in the lungs.

    Raises:
        ValueError: if the field of view is smaller than the cavity, or the motion would fold.

    Example:
        >>> pair = chest_phantom((56, 40, 48), (6.4, 6.3, 5.6))
        >>> pair.fixed_image.shape, pair.displacement.shape
        ((56, 40, 48), (3, 56, 40, 48))
    """
    extent = np.multiply(spatial_shape, spacing)
    if len(spatial_shape) != 3 or (extent < (250, 170, 200)).any():
        rule = "a field of view of 250 x 170 x 200 mm or more"
        raise ValueError(f"chest_phantom() expects {rule}, got {spatial_shape} * {spacing}.")
    if not 0 <= diaphragm_mm <= LARGEST_RISE_MM:
        raise ValueError(f"chest_phantom() expects 'diaphragm_mm' from 0 to {LARGEST_RISE_MM:g}, got {diaphragm_mm}.")
    generator = np.random.default_rng(seed)
    affine = centered_affine(np.diag(spacing), spatial_shape, np.zeros(3))
    points = voxel_points(spatial_shape, affine).astype(np.float64)
    chest = _Chest(
        grow(generator, _is_lung, 3, 4.0, True, np.zeros(3)),
        grow(generator, _is_lung, 6, 3.8, False, np.array([0.0, -9.0, -3.0])),
        random_waves(generator, (0.05, 0.3), np.full(3, 200.0), count=24),
    )
    breath = draw_breath(generator, diaphragm_mm)
    moved, shrinking = breath(points)
    fixed, moving = (
        _scan(generator, *chest.look(place, density), spatial_shape)
        for place, density in ((moved, shrinking), (points, np.ones(points.shape[1])))
    )
    forks = np.hstack([chest.airways.forks, chest.vessels.forks])
    landmarks = breath.inverse(forks[:, _is_lung(forks)])
    partners = breath(landmarks)[0]
    seen = inside(landmarks, spatial_shape, affine) & inside(partners, spatial_shape, affine)
    shown = landmarks[:, seen], partners[:, seen]
    return PhantomPair.on_one_grid(fixed, moving, affine, shown, moved - points)


def _scan(
    generator: np.random.Generator, image: NDArray, label: NDArray, shape: tuple[int, ...]
) -> tuple[NDArray, NDArray]:
    noise = gaussian_filter(generator.standard_normal(shape), 0.6) * 35
    return (image.reshape(shape) + noise).clip(-1024).astype(np.float32), label.reshape(shape)


def _is_lung(points: NDArray) -> NDArray:
    """Which points ``(3, N)`` lie well inside a lung, exhaled."""
    return _parts(points).lung > 4


def _parts(points: NDArray) -> _Parts:
    across, cavity = normalized(points)
    x, _, z = points
    domes = np.exp(-(((x + 58) / 58) ** 2)) + 0.85 * np.exp(-(((x - 62) / 56) ** 2))  # right and left
    above = 0.8 * (z + 82 - 62 * domes * (1 - np.minimum((across**2).sum(0), 1.2)))  # they fall off towards the ribs
    heart = _ellipsoid(points, (26, -26, -22), (56, 44, 46))
    mediastinum = np.maximum(heart, _ellipsoid(points, (0, 22, 0), (25, 46, 1e6)))
    return _Parts(np.minimum(np.minimum(cavity, above), -mediastinum), cavity, above, heart, mediastinum)


def _skin(points: NDArray) -> NDArray:
    """About the distance to the skin, mm, positive inside."""
    return 118 * (1 - np.hypot(points[0] / 168, points[1] / 118))


def _ellipsoid(points: NDArray, middle: tuple[float, ...], radii: tuple[float, ...]) -> NDArray:
    """About the distance to the surface, mm, positive inside."""
    scaled = (points - np.reshape(middle, (3, 1))) / np.reshape(radii, (3, 1))
    return min(radii) * (1 - np.linalg.norm(scaled, axis=0))
