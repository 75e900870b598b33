"""How a chest breathes: the cavity's content slides along the ribs, and all together bends a little."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._waves import Waves, flow, random_waves

HALF_AXES_MM = np.array([122.0, 82.0])  # of the cavity across, left and posterior
BACK_MM = -6.0  # its middle, posterior
WAIST_MM, APEX_MM = 10.0, 128.0  # superior; between them the cavity narrows as an ellipsoid
RIBS = np.array([[0.985], [0.96], [1.0]])  # what the rib cage is at the end of exhaling, of what it is inhaled
HALVINGS = 40


class Breath(NamedTuple):
    """The motion from the end of inhaling to that of exhaling.

    Attributes:
        rise_mm: of the middle of the diaphragm.
        bend: velocity of a smooth random deformation of all.
    """

    rise_mm: float
    bend: Waves

    def __call__(self, points: NDArray) -> tuple[NDArray, NDArray]:
        """Move points ``(3, N)``, mm from the middle of the chest, LPS, inhaled.

        Returns:
            Where they are exhaled, ``(3, N)``, and by how much space shrinks there, but for the bend, ``(N,)``.
        """
        bent = RIBS * flow(self.bend, points, 1.0, steps=2)
        across, depth = normalized(bent)
        inside = depth > 0
        height = bent[2, inside]
        risen = height + self._rise(height, across[:, inside])
        wider = _width(risen) / _width(height)
        moved = bent.copy()
        middle = np.array([[0.0], [BACK_MM]])
        moved[:2, inside] = (bent[:2, inside] - middle) * wider + middle
        moved[2, inside] = risen
        shrinking = np.full(points.shape[1], float(np.prod(RIBS)))
        slope = self._rise(height + 0.5, across[:, inside]) - self._rise(height - 0.5, across[:, inside])
        shrinking[inside] *= wider**2 * (1 + slope)
        return moved, shrinking

    def inverse(self, points: NDArray) -> NDArray:
        """Where exhaled points ``(3, N)`` inside the cavity are inhaled, by bisection."""
        across, _ = normalized(points)
        low, high = points[2] - 2 * self.rise_mm, points[2].copy()
        for _ in range(HALVINGS):
            height = (low + high) / 2
            above = height + self._rise(height, across) > points[2]
            low, high = np.where(above, low, height), np.where(above, height, high)
        middle = np.array([[0.0], [BACK_MM]])
        bent = np.vstack([(points[:2] - middle) * _width(high) / _width(points[2]) + middle, high[None]])
        return flow(self.bend, bent / RIBS, -1.0, steps=8)

    def _rise(self, height: NDArray, across: NDArray) -> NDArray:
        """What the content rises, at a height inhaled: nothing at the apex, all at the diaphragm and below, mm."""
        way = np.clip((APEX_MM - height) / (APEX_MM + 70), 0, 1)
        share = 1 - 0.3 * (across**2).sum(0) + 0.2 * across[1]  # most in the middle and at the back
        return self.rise_mm * way**2 * (3 - 2 * way) * share


def draw_breath(generator: np.random.Generator, rise_mm: float, bend_mm: float = 2.5) -> Breath:
    """Draw the bend, about ``bend_mm`` in each direction."""
    waves = random_waves(generator, (0.7, 2.0), np.full(3, 200.0), components=3, count=8)
    return Breath(rise_mm, waves._replace(amplitudes=waves.amplitudes * bend_mm))


def normalized(points: NDArray) -> tuple[NDArray, NDArray]:
    """Place across the cavity in [-1, 1] of its half axes, ``(2, N)``, and about the distance to its wall, mm.

    The distance is negative outside. Both are what the breath leaves as they are, but for the width.
    """
    width = _width(points[2])
    across = (points[:2] - np.array([[0.0], [BACK_MM]])) / (HALF_AXES_MM[:, None] * width)
    depth = (1 - np.linalg.norm(across, axis=0)) * HALF_AXES_MM.min() * width
    return across, np.where(points[2] < APEX_MM, depth, -np.inf)


def _width(height: NDArray) -> NDArray:
    """Of the cavity, as a share of its greatest one."""
    way = np.clip((height - WAIST_MM) / (APEX_MM - WAIST_MM), 0, 1)
    return np.sqrt(np.maximum(1 - way**2, 1e-6))
