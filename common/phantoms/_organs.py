"""A torso as a continuous description: organs are smooth implicit shapes with their own intensity and texture."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from scipy.special import expit

from ._waves import BLOCK, Waves, random_waves

INFINITE = np.inf
EDGE_MM = 0.8  # an edge is a logistic of this width: partial volume
BAND = 0.2  # from one vertebra to the next, as a fraction of half the torso


class Ellipsoid(NamedTuple):
    """Center and radii as fractions of half the torso (left, posterior, superior), tilt in degrees about the axes."""

    center: tuple[float, float, float]
    radii: tuple[float, float, float]
    tilt: tuple[float, float, float] = (0.0, 0.0, 0.0)


class Tissue(NamedTuple):
    """What a region looks like: a mean, mottles, bright vessels and bands across the body, in intensity units."""

    intensity: float
    mottle: float
    vessels: float
    parts: tuple[Ellipsoid, ...]
    name: str = ""  # empty: not in the label map
    bands: float = 0.0


# Painted in this order, later over earlier. The patient's right is at negative x.
TISSUES = (
    Tissue(75, 8, 0, (Ellipsoid((0, 0, 0), (0.92, 0.88, INFINITE)),)),  # skin and fat
    Tissue(150, 16, 0, (Ellipsoid((0, 0, 0), (0.84, 0.80, INFINITE)),)),  # muscle
    Tissue(105, 26, 25, (Ellipsoid((0, -0.12, -0.30), (0.70, 0.55, 0.85)),)),  # mesentery and fat inside
    Tissue(22, 7, 95, (Ellipsoid((-0.42, 0.04, 0.76), (0.36, 0.60, 0.66), (0, -5, 0)),), "right lung"),
    Tissue(26, 7, 95, (Ellipsoid((0.44, 0.06, 0.76), (0.34, 0.58, 0.64), (0, 5, 0)),), "left lung"),
    Tissue(215, 12, 20, (Ellipsoid((0.12, -0.22, 0.62), (0.34, 0.28, 0.22), (0, 25, 20)),), "heart"),
    Tissue(
        185,
        9,
        55,
        (
            Ellipsoid((-0.42, -0.02, 0.16), (0.40, 0.56, 0.32), (0, 12, 0)),
            Ellipsoid((0.02, -0.36, 0.22), (0.44, 0.26, 0.15), (0, 8, 0)),
        ),
        "liver",
    ),
    Tissue(
        120,
        22,
        0,
        (
            Ellipsoid((0.40, -0.18, 0.06), (0.22, 0.30, 0.20), (0, 15, 10)),
            Ellipsoid((0.16, -0.40, -0.10), (0.26, 0.17, 0.11), (0, 25, 0)),
        ),
        "stomach",
    ),
    Tissue(225, 12, 15, (Ellipsoid((0.62, 0.32, 0.04), (0.16, 0.30, 0.22), (15, 0, 20)),), "spleen"),
    Tissue(250, 22, -45, (Ellipsoid((-0.42, 0.40, -0.28), (0.18, 0.20, 0.22), (10, -10, 20)),), "right kidney"),
    Tissue(250, 22, -45, (Ellipsoid((0.42, 0.42, -0.22), (0.18, 0.20, 0.22), (10, 10, -20)),), "left kidney"),
    Tissue(165, 18, 15, (Ellipsoid((0.12, 0.00, -0.14), (0.34, 0.11, 0.09), (0, -20, 8)),), "pancreas"),
    Tissue(255, 20, -40, (Ellipsoid((0, 0.52, 0), (0.15, 0.17, INFINITE)),), "spine", bands=45),
    Tissue(290, 6, 0, (Ellipsoid((0.10, 0.24, 0), (0.10, 0.11, INFINITE), (4, 0, 0)),), "aorta"),
    Tissue(240, 6, 0, (Ellipsoid((-0.13, 0.20, 0), (0.10, 0.10, INFINITE), (-3, 0, 0)),), "vena cava"),
    Tissue(60, 5, 0, (Ellipsoid((0, -0.25, -0.86), (0.30, 0.28, 0.19)),), "bladder"),
)
LABEL_NAMES = dict(enumerate((tissue.name for tissue in TISSUES if tissue.name), start=1))


def _distance(points: NDArray, parts: tuple[Ellipsoid, ...], half_extent: NDArray) -> NDArray:
    """Distance to a union of ellipsoids, exact to first order at the surface, negative inside, mm, ``(N,)``."""
    nearest = np.full(points.shape[1], np.inf, points.dtype)
    for center, radii, tilt in parts:
        rotation = Rotation.from_euler("xyz", tilt, degrees=True).as_matrix().T.astype(points.dtype)
        inverse = (1 / (np.asarray(radii) * half_extent)).astype(points.dtype)[:, None]
        offset = (np.asarray(center) * half_extent).astype(points.dtype)[:, None]
        scaled = np.einsum("ed,dn->en", rotation, points - offset) * inverse
        level = np.sqrt(np.einsum("dn,dn->n", scaled, scaled))
        scaled *= inverse
        slope = np.sqrt(np.einsum("dn,dn->n", scaled, scaled)) / np.maximum(level, 1e-6)
        np.minimum(nearest, (level - 1) / np.maximum(slope, 1e-6), out=nearest)
    return nearest


class Torso:
    """One patient: fixed anatomy, textures and shape irregularities, to be evaluated at any point.

    Args:
        half_extent: half the size of the torso along left, posterior and superior, ``(3,)``, mm.
        generator: source of randomness; the same generator state gives the same patient.
    """

    def __init__(self, half_extent: NDArray, generator: np.random.Generator) -> None:
        self.half_extent = np.asarray(half_extent, dtype=np.float64)
        size = float(self.half_extent.mean())
        scale = np.full(3, size)
        self.irregularity = random_waves(generator, (0.35, 1.0), scale, components=3, count=12)
        self.irregularity_mm = 0.025 * size
        self.mottle = random_waves(generator, (0.08, 0.40), scale, count=64)
        self.vessels = random_waves(generator, (0.25, 0.6), scale, components=2, count=20)

    def render(self, points: NDArray, contrast: NDArray) -> tuple[NDArray, NDArray]:
        """Look at the torso.

        Args:
            points: ``(3, N)``, mm from the center of the torso, LPS.
            contrast: factor on the intensity of each tissue, ``(len(TISSUES),)``.

        Returns:
            Intensities ``(N,)`` float32, about 0 (air) to 350, and labels ``(N,)`` uint8.
        """
        intensity = np.zeros(points.shape[1], np.float32)
        label = np.zeros(points.shape[1], np.uint8)
        for start in range(0, points.shape[1], BLOCK):
            block = slice(start, start + BLOCK)
            intensity[block], label[block] = self._render_block(points[:, block].astype(np.float32), contrast)
        return intensity, label

    def _render_block(self, points: NDArray, contrast: NDArray) -> tuple[NDArray, NDArray]:
        intensity = np.zeros(points.shape[1], np.float32)
        label = np.zeros(points.shape[1], np.uint8)
        body = np.flatnonzero(_distance(points, TISSUES[0].parts, self.half_extent) < 4 * self.irregularity_mm)
        if not body.size:
            return intensity, label
        points = points[:, body]
        shaped = points + np.float32(self.irregularity_mm) * self.irregularity(points)
        mottle, vessels = self.mottle(points)[0], _tubes(self.vessels, points)
        bands = np.sin(shaped[2] * np.float32(2 * np.pi / (BAND * self.half_extent[2])))
        inside, inside_label, number = np.zeros(body.size, np.float32), np.zeros(body.size, np.uint8), 0
        for tissue, factor in zip(TISSUES, contrast.astype(np.float32), strict=True):
            distance = _distance(shaped, tissue.parts, self.half_extent)
            look = factor * (
                tissue.intensity + tissue.mottle * mottle + tissue.vessels * vessels + tissue.bands * bands
            )
            inside += expit(-distance / EDGE_MM) * (look - inside)
            if tissue.name:
                number += 1
                inside_label[distance < 0] = number
        intensity[body], label[body] = inside, inside_label
        return intensity, label


def _tubes(pair: Waves, points: NDArray) -> NDArray:
    """Bright curves in space: where two random functions vanish together, ``(N,)`` in [0, 1]."""
    values = pair(points)
    return np.exp(-np.einsum("cn,cn->n", values, values) / 0.08)
