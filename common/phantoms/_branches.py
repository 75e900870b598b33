"""Trees of tubes in both lungs: airways and vessels, with the places where they fork."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

CARINA_MM = np.array([0.0, 12.0, 36.0])
HILA_MM = np.array([[-42.0, 12.0, 14.0], [44.0, 14.0, 10.0]])  # right, left
LOBES_MM = np.array([[18.0, 4.0, 28.0], [26.0, -20.0, -3.0], [18.0, 14.0, -26.0], [14.0, 24.0, 10.0]])
REACH_MM = 9.0  # no tube has a wall further from its middle
STEP_MM = 0.5
SHORTER, THINNER = 0.84, 0.8  # from one generation to the next
TRIES = 4


class Branches(NamedTuple):
    """Tubes, as many small balls.

    Attributes:
        middles: `cKDTree` of the balls' centers.
        radii: of the balls, mm.
        forks: where tubes divide, ``(3, N)``.
    """

    middles: cKDTree
    radii: NDArray
    forks: NDArray

    def depth(self, points: NDArray) -> NDArray:
        """How deep points ``(3, N)`` lie in the tubes, mm, negative outside; ``-REACH_MM`` at most far from them."""
        distance, nearest = self.middles.query(points.T, distance_upper_bound=REACH_MM)
        radii = np.append(self.radii, 0.0)[nearest]
        return np.where(np.isfinite(distance), radii - np.minimum(distance, REACH_MM), -REACH_MM)


def grow(
    generator: np.random.Generator,
    holds: Callable[[NDArray], NDArray],
    generations: int,
    radius_mm: float,
    trachea: bool,
    shift: NDArray,
) -> Branches:
    """Let a tree grow from the hila into both lungs.

    Args:
        generator: source of randomness.
        holds: which points ``(3, N)`` a tube may end at.
        generations: how often tubes fork, after the branches to the lobes.
        radius_mm: of the tubes at the hila.
        trachea: with the windpipe and the main bronchi.
        shift: of all that grows, mm, so that two trees run beside one another.
    """
    tree = _Tree(generator, holds)
    for side, hilum in zip((-1.0, 1.0), HILA_MM, strict=True):
        start = hilum + shift
        if trachea:
            tree.tubes.append((CARINA_MM, start, 1.4 * radius_mm))
        tree.forks.append(start)
        for lobe in LOBES_MM:
            tree.branch(start, lobe * np.array([side, 1, 1]), radius_mm, generations)
    if trachea:
        tree.tubes.append((CARINA_MM + np.array([0, -4.0, 120.0]), CARINA_MM, 2.0 * radius_mm))
        tree.forks.append(CARINA_MM)
    balls, radii = [], []
    for first, last, radius in tree.tubes:
        count = max(2, int(np.linalg.norm(last - first) / STEP_MM))
        balls.append(first + np.linspace(0, 1, count)[:, None] * (last - first))
        radii.append(np.full(count, radius))
    return Branches(cKDTree(np.vstack(balls)), np.concatenate(radii), np.array(tree.forks).T)


class _Tree:
    """What has grown so far: tubes from a point to another with a radius, and forks.

    Args:
        generator: source of randomness.
        holds: which points a tube may end at.
    """

    def __init__(self, generator: np.random.Generator, holds: Callable[[NDArray], NDArray]) -> None:
        self.generator = generator
        self.holds = holds
        self.tubes: list[tuple[NDArray, NDArray, float]] = []
        self.forks: list[NDArray] = []

    def branch(self, start: NDArray, way: NDArray, radius: float, generations: int) -> bool:
        """Add a tube and what grows from its end, if that is where tubes may be."""
        end = start + way
        if not self.holds(end[:, None]).all():
            return False
        self.tubes.append((start, end, radius))
        grown = [self._turn(end, way, radius, generations, sign) for sign in (-1, 1)] if generations else []
        if any(grown):
            self.forks.append(end)
        return True

    def _turn(self, start: NDArray, way: NDArray, radius: float, generations: int, sign: int) -> bool:
        """Look for a way on."""
        for _ in range(TRIES):
            side = np.cross(way, self.generator.normal(size=3))
            side *= np.linalg.norm(way) / np.linalg.norm(side)
            turn = np.radians(sign * self.generator.uniform(25, 60))
            onward = SHORTER * (np.cos(turn) * way + np.sin(turn) * side)
            if self.branch(start, onward, radius * THINNER, generations - 1):
                return True
        return False
