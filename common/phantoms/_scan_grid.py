"""Voxels of a scan <-> the torso's own coordinates: LPS, mm, from its center."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

CENTER_MM = np.array([10.0, -20.0, 150.0])  # of the torso, LPS; not the origin, where mistakes would hide


def center(points: NDArray) -> NDArray:
    """World position of the torso's center, ``(d, 1)``, LPS, mm: between world and torso coordinates."""
    return CENTER_MM[: len(points), None]


def _flip(d: int) -> NDArray:
    """RAS <-> LPS, homogeneous."""
    return np.diag([-1.0, -1.0, *[1.0] * (d - 1)])


def centered_affine(axes: NDArray, shape: tuple[int, ...], shift: NDArray) -> NDArray:
    """RAS affine of a grid with voxel axes ``axes`` (columns, RAS, mm) centered ``shift`` (LPS) beside the torso."""
    d = len(shape)
    center = _flip(d)[:d, :d] @ (CENTER_MM[:d] + shift)
    affine = np.eye(d + 1)
    affine[:d, :d] = axes
    affine[:d, d] = center - axes @ ((np.array(shape) - 1) / 2)
    return affine


def to_torso(voxels: NDArray, affine: NDArray) -> NDArray:
    """Voxel coordinates ``(d, N)`` to LPS, mm, from the center of the torso."""
    d = len(voxels)
    lps = _flip(d) @ affine
    return np.einsum("ed,dn->en", lps[:d, :d], voxels) + lps[:d, d:] - center(voxels)


def voxel_points(shape: tuple[int, ...], affine: NDArray) -> NDArray:
    """Torso coordinates of all voxels, ``(d, N)``, float32."""
    return to_torso(np.indices(shape).reshape(len(shape), -1), affine).astype(np.float32)


def inside(points: NDArray, shape: tuple[int, ...], affine: NDArray) -> NDArray:
    """Which points ``(d, N)`` in torso coordinates lie within a grid, ``(N,)``."""
    d = len(shape)
    lps = _flip(d) @ affine
    voxels = np.linalg.solve(lps[:d, :d], points + center(points) - lps[:d, d:])
    return np.all((voxels >= 0) & (voxels <= np.array(shape)[:, None] - 1), axis=0)


def moving_grid(generator: np.random.Generator, size: NDArray, spacing: NDArray) -> tuple[tuple[int, ...], NDArray]:
    """Shape and RAS affine of a scan with other voxels, order and direction of axes, obliquity and field of view."""
    d = len(size)
    order = np.roll(np.arange(d), generator.integers(1, d))  # never the identity
    directions = np.eye(d)[:, order] * np.append(-1, generator.choice([-1, 1], d - 1))
    angles = generator.uniform(5, 10, d) * generator.choice([-1, 1], d)
    oblique = Rotation.from_euler("zyx", angles if d == 3 else [angles[0], 0, 0], degrees=True)
    voxel = (spacing * generator.uniform(0.9, 1.25, d))[order]
    shape = tuple(int(n) for n in np.ceil(1.2 * size[order] / voxel))
    axes = oblique.as_matrix()[:d, :d] @ directions * voxel
    return shape, centered_affine(axes, shape, generator.uniform(-0.03, 0.03, d) * size)
