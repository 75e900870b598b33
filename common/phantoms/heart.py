"""A beating heart in short axis: one slice at the end of systole and of diastole, and the exact motion between them."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import expit

from ._scan_grid import centered_affine, voxel_points
from ._waves import random_waves
from .torso import PhantomPair

LABEL_NAMES = {1: "left ventricle", 2: "myocardium", 3: "right ventricle"}
CAVITY_MM, WALL_MM = 26.0, 34.0  # radii of the left ventricle at the end of diastole
INNER_MM, REACH_MM = 20.0, 80.0  # within the first the motion is a scaling, beyond the second there is little
RIGHT_CENTER, RIGHT_RADII = np.array([-40.0, -12.0]), np.array([26.0, 36.0])
EDGE_MM = 0.8  # an edge is a logistic of this width: partial volume


def heart_phantom(
    spatial_shape: tuple[int, int] = (192, 160), spacing: float = 1.4, contraction: float = 0.55, seed: int = 0
) -> PhantomPair:
    """Make two phases of a slice through both ventricles, with known correspondence.

    The heart at the end of diastole (moving) is a function of space. At the end of systole (fixed) it is seen through
    the motion, a twist and a contraction towards the middle of the left ventricle, at the distance r:

    .. math:: p -> p (1 + c exp(-(r / 80)^2) / sqrt(1 + (r / 20)^4))

    The wall keeps about its area, hence is thicker in systole. Nothing is resampled. Both phases lie on one grid, as
    those of a cine scan do.

    Args:
        spatial_shape: of both phases; axes towards the patient's left and back.
        spacing: voxel size, mm.
        contraction: c, by how much of its radius at the end of systole the ventricle grows until the end of diastole.
        seed: the same seed gives the same pair.

    Returns:
        The pair; labels are named in `LABEL_NAMES`, key points lie on both borders of the wall.

    Raises:
        ValueError: if the shape is too small for the heart, or the contraction would fold.
    """
    if min(spatial_shape) * spacing < 180:
        raise ValueError(f"heart_phantom() expects a field of view of 180 mm or more, got {spatial_shape} * {spacing}.")
    if not 0 <= contraction < 2:
        raise ValueError(f"heart_phantom() expects 'contraction' from 0 to less than 2, got {contraction}.")
    generator = np.random.default_rng(seed)
    affine = centered_affine(np.diag([-spacing, -spacing]), spatial_shape, np.zeros(2))
    points = voxel_points(spatial_shape, affine)
    moved = _beat(points, contraction)
    fine = random_waves(generator, (0.03, 0.08), np.full(2, 200.0), count=48)
    fixed, moving = (_scan(generator, place, fine(place)[0], spatial_shape) for place in (moved, points))
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)])
    landmarks = np.hstack([0.7 * CAVITY_MM * ring, 0.8 * WALL_MM * ring])
    partners = _beat(landmarks, contraction)
    return PhantomPair.on_one_grid(fixed, moving, affine, (landmarks, partners), moved - points)


def _beat(points: NDArray, contraction: float) -> NDArray:
    """Where points ``(2, N)``, mm from the middle of the left ventricle, at the end of systole are in diastole."""
    squared = (points**2).sum(0)
    near = np.exp(-squared / REACH_MM**2) / np.sqrt(1 + squared**2 / INNER_MM**4)
    x, y = points * (1 + contraction * near)
    turn = 0.12 * contraction * near
    return np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)])


def _scan(
    generator: np.random.Generator, points: NDArray, fine: NDArray, shape: tuple[int, int]
) -> tuple[NDArray, NDArray]:
    """Image and label of the heart at the end of diastole, seen at ``points`` ``(2, N)``."""
    x, y = points
    angle, radius = np.arctan2(y, x), np.hypot(x, y)
    wall = WALL_MM * (1 + 0.04 * np.cos(2 * angle))
    cavity = CAVITY_MM * (1 + 0.05 * np.cos(2 * angle + 0.6))
    body = 88 * (1 - np.hypot(x / 125, y / 100))  # roughly the distance to the edge, mm
    right = _depth(points, RIGHT_CENTER, RIGHT_RADII)
    muscles = np.maximum(_depth(points, np.array([11.0, 10.0]), 5.0), _depth(points, np.array([10.0, -11.0]), 4.5))
    layers = [
        (220.0, body),  # skin and fat
        (95.0, body - 8),  # muscle
        (25.0, np.maximum(_depth(points, np.array([62.0, 10.0]), 40.0), _depth(points, np.array([-72.0, 30.0]), 32.0))),
        (150.0, wall + 5 - radius),  # fat around the heart
        (80.0, right + 4),
        (235.0, right),
        (80.0, wall - radius),
        (250.0, cavity - radius),
        (90.0, muscles),
    ]
    image = np.full(len(radius), 5.0)
    for intensity, depth in layers:
        image += expit(depth / EDGE_MM) * (intensity * (1 + 0.08 * fine) - image)
    label = np.where(right > 0, 3, 0)
    label = np.where(radius < wall, 2, label)
    label = np.where(radius < cavity, 1, label)
    noise = gaussian_filter(generator.standard_normal(shape), 0.6) * 12
    return (image.reshape(shape) + noise).clip(0).astype(np.float32), label.reshape(shape).astype(np.uint8)


def _depth(points: NDArray, middle: NDArray, radii: NDArray | float) -> NDArray:
    """Roughly the distance to the edge of an ellipse, mm, positive inside."""
    radii = np.broadcast_to(radii, 2)
    return float(radii.min()) * (1 - np.linalg.norm((points - middle[:, None]) / radii[:, None], axis=0))
