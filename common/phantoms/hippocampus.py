"""A crop around one hippocampus of two heads, and the exact deformation between them."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import expit

from ._scan_grid import centered_affine, voxel_points
from ._waves import Waves, flow, random_waves
from .torso import PhantomPair

LABEL_NAMES = {1: "anterior hippocampus", 2: "posterior hippocampus"}
RADII_MM = np.array([6.5, 16.0, 5.5])  # towards left, back and head
BEND_PER_MM = 0.012  # of its axis, towards the left at both ends
EDGE_MM = 0.5  # an edge is a logistic of this width: partial volume
LENGTHS_MM = (25.0, 60.0)  # of the waves that two heads differ by


def hippocampus_phantom(
    spatial_shape: tuple[int, int, int] = (36, 50, 34), difference_mm: float = 2.5, seed: int = 0
) -> PhantomPair:
    """Make T1-weighted crops of two heads, voxels of 1 mm, with known correspondence.

    A bent body of gray matter lies in white matter, within a shell of fluid. The moving scan is a function of space,
    the fixed one sees it through the flow of a smooth random velocity, hence a diffeomorphism; nothing is resampled.

    Args:
        spatial_shape: of both scans; axes towards the patient's right, front and head.
        difference_mm: root mean square of the velocity along each axis, mm.
        seed: the same seed gives the same pair.

    Returns:
        The pair; labels are named in `LABEL_NAMES`, key points lie within the body.

    Raises:
        ValueError: if the shape is too small for the hippocampus, or the difference negative or too large.
    """
    if any(size < 2.2 * radius for size, radius in zip(spatial_shape, RADII_MM, strict=True)):
        raise ValueError(f"hippocampus_phantom() expects 15 x 36 x 13 voxels or more, got {spatial_shape}.")
    if not 0 <= difference_mm <= 3:
        raise ValueError(f"hippocampus_phantom() expects 'difference_mm' from 0 to 3, got {difference_mm}.")
    generator = np.random.default_rng(seed)
    affine = centered_affine(np.eye(3), spatial_shape, np.zeros(3))
    points = voxel_points(spatial_shape, affine).astype(np.float64)
    velocity = random_waves(generator, LENGTHS_MM, np.ones(3), components=3)
    fine = random_waves(generator, (4.0, 12.0), np.ones(3), count=48)
    moved = flow(velocity, points, difference_mm)
    fixed, moving = (_scan(generator, place, fine, spatial_shape) for place in (moved, points))
    landmarks = np.array([[x, y, 0.0] for x in (-3.0, 3.0) for y in (-12.0, -6.0, 0.0, 6.0, 12.0)]).T
    landmarks[0] += BEND_PER_MM * landmarks[1] ** 2
    partners = flow(velocity, landmarks, difference_mm)
    return PhantomPair.on_one_grid(fixed, moving, affine, (landmarks, partners), moved - points)


def _scan(
    generator: np.random.Generator, points: NDArray, fine: Waves, shape: tuple[int, int, int]
) -> tuple[NDArray, NDArray]:
    """Image and label of the head that is a function of space, seen at ``points`` ``(3, N)``."""
    straight = points - [[1.0], [0.0], [0.0]] * (BEND_PER_MM * points[1] ** 2)
    distance = np.linalg.norm(straight / RADII_MM[:, None], axis=0)
    body = RADII_MM.min() * (1 - distance)  # roughly the distance to its surface, mm
    shell = np.exp(-(((distance - 1.4) / 0.25) ** 2))
    image = 110 - 40 * expit(body / EDGE_MM) - 90 * shell + 3 * fine(points)[0]
    noise = gaussian_filter(generator.standard_normal(shape), 0.6) * 4
    label = np.where(body > 0, np.where(points[1] < 0, 1, 2), 0)
    return (image.reshape(shape) + noise).clip(0).astype(np.float32), label.reshape(shape).astype(np.uint8)
