"""Random smooth functions as sums of plane waves, and the flow of such a velocity.

A sum of waves can be evaluated anywhere, so that a phantom made of them never has to be resampled.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 15  # points at a time: the temporaries of one block stay in the cache


class Waves(NamedTuple):
    """Smooth random function of mean 0 and variance 1 in each of its ``C`` components.

    .. math:: f_c(p) = sum_m a_cm cos(k_m . p + phi_m)
    """

    frequencies: NDArray  # (M, d), radian / mm
    phases: NDArray  # (M, 1), radian
    amplitudes: NDArray  # (C, M)

    def __call__(self, points: NDArray) -> NDArray:
        """Evaluate at ``points`` ``(d, N)`` in mm; returns ``(C, N)`` in the precision of the points."""
        frequencies, phases, amplitudes = (array.astype(points.dtype) for array in self)
        # einsum, not matmul: threads of the linear algebra library cost far more than such narrow products
        angles = np.einsum("md,dn->mn", frequencies, points) + phases
        return np.einsum("cm,mn->cn", amplitudes, np.cos(angles, out=angles))


def random_waves(
    generator: np.random.Generator,
    wavelengths: tuple[float, float],
    scale: NDArray,
    components: int = 1,
    count: int = 24,
) -> Waves:
    """Draw waves of random direction.

    Args:
        generator: source of randomness.
        wavelengths: shortest and longest wave, drawn evenly on a logarithmic scale, in units of ``scale``.
        scale: length that stands for one along each axis, ``(d,)``, mm.
        components: number of components ``C``.
        count: number of waves ``M``.
    """
    lengths = np.exp(generator.uniform(np.log(wavelengths[0]), np.log(wavelengths[1]), size=(count, 1)))
    directions = generator.normal(size=(count, len(scale)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    # Longer waves are stronger, so that every wave bends the function about as much.
    amplitudes = lengths.T * generator.normal(size=(components, count))
    amplitudes /= np.sqrt((amplitudes**2).sum(1, keepdims=True) / 2)
    phases = generator.uniform(0, 2 * np.pi, (count, 1))
    return Waves(2 * np.pi * directions / lengths / scale, phases, amplitudes)


def flow(velocity: Waves, points: NDArray, time: float, steps: int = 4) -> NDArray:
    """Carry points along a stationary velocity: the diffeomorphism exp(time * velocity), by Runge-Kutta.

    The flow for ``-time`` is the inverse to the accuracy of the integration, better than 1e-2 mm here. Scaling and
    squaring would interpolate a sampled field, and the truth must be better than what it judges.

    Args:
        velocity: ``d`` components, mm.
        points: ``(d, N)``, mm.
        time: length of the way; negative runs backwards.
        steps: number of Runge-Kutta steps.

    Returns:
        The points at the end, ``(d, N)``, mm.
    """
    step = time / steps
    moved = np.empty_like(points)
    for start in range(0, points.shape[1], BLOCK):
        p = points[:, start : start + BLOCK]
        for _ in range(steps):
            k1 = velocity(p)
            k2 = velocity(p + step / 2 * k1)
            k3 = velocity(p + step / 2 * k2)
            k4 = velocity(p + step * k3)
            p = p + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        moved[:, start : start + BLOCK] = p
    return moved
