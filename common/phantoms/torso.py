"""A torso phantom: two scans of one patient, related by a large smooth deformation that is known exactly."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from common.io import Field, format_points, save_text, write_field, write_nifti
from common.spatial import Grid

from ._organs import LABEL_NAMES as LABEL_NAMES
from ._organs import TISSUES, Torso
from ._scan_grid import center, centered_affine, inside, moving_grid, to_torso, voxel_points
from ._waves import Waves, flow, random_waves

SLICE_HEIGHT = -0.10  # of a 2-D phantom, as a fraction of half the torso: cuts most organs
POINTS_PER_ORGAN = 4
POINT_DECIMALS = 4  # mm, in files


@dataclass(frozen=True)
class PhantomPair:
    """Two scans and the truth between them; ``d`` is 2 or 3.

    Convention:
        Arrays are in voxel order i, j, k; affines are RAS, ``(d + 1, d + 1)``; points and displacement are LPS, mm.
        The fixed point p corresponds to the moving point ``p + displacement(p)``.
    """

    fixed_image: NDArray  # spatial, float32, not negative
    moving_image: NDArray  # another shape
    fixed_label: NDArray  # uint8, names in LABEL_NAMES
    moving_label: NDArray
    fixed_affine: NDArray
    moving_affine: NDArray
    fixed_keypoints: NDArray  # (N, d)
    moving_keypoints: NDArray  # (N, d)
    displacement: NDArray  # (d, *spatial of the fixed image), float32

    @classmethod
    def on_one_grid(
        cls,
        fixed: tuple[NDArray, NDArray],
        moving: tuple[NDArray, NDArray],
        affine: NDArray,
        landmarks: tuple[NDArray, NDArray],
        displacement: NDArray,
    ) -> "PhantomPair":
        """Pair two phases that were scanned alike.

        Args:
            fixed: image and label.
            moving: the same.
            affine: of both.
            landmarks: of both, ``(d, N)``, from the center of the torso, LPS, mm.
            displacement: ``(d, voxels)``, LPS, mm.
        """
        seen, partners = ((places + center(places)).T for places in landmarks)
        truth = displacement.reshape(len(displacement), *fixed[0].shape).astype(np.float32)
        return cls(fixed[0], moving[0], fixed[1], moving[1], affine, affine, seen, partners, truth)


def torso_phantom(
    spatial_shape: tuple[int, ...] = (96, 80, 112),
    spacing: tuple[float, ...] = (2.0, 2.0, 2.5),
    maximum_displacement: float = 15.0,
    seed: int = 0,
    altered: bool = True,
) -> PhantomPair:
    """Make a pair of scans of a torso with known correspondence.

    Organs and textures are functions of space, evaluated once for each scan: the fixed scan at its own voxels, the
    moving scan where the inverse deformation takes its voxels. Nothing is resampled. The deformation is the flow of a
    smooth random velocity, hence a diffeomorphism. The moving scan has other contrast, bias field, noise and fine
    texture, another spacing, voxel order, obliquity and field of view.

    Args:
        spatial_shape: shape of the fixed image; axes towards the patient's right, front and head, in 2-D (an axial
            slice) right and front.
        spacing: voxel size of the fixed image, mm.
        maximum_displacement: greatest length of the displacement on the fixed grid, voxels of that grid; at most a
            quarter of the shortest side.
        seed: the same seed gives the same pair.
        altered: whether the moving scan is that of another scanner, with other contrast.

    Returns:
        The pair. Intensities lie in about 0 to 450, air at about 0.

    Raises:
        ValueError: if the shape is not 2-D or 3-D with 16 or more voxels along each side, the spacing does not match
            it or is not positive, or the displacement is negative or too large.

    Example:
        >>> pair = torso_phantom((32, 28, 36), (6.0, 6.0, 7.5), maximum_displacement=4)
        >>> pair.fixed_image.shape, pair.displacement.shape
        ((32, 28, 36), (3, 32, 28, 36))
    """
    _check(spatial_shape, spacing, maximum_displacement)
    generator = np.random.default_rng(seed)
    size = np.multiply(spatial_shape, spacing).astype(np.float64)
    torso = Torso(np.append(size, 1.5 * size.mean())[:3] / 2, generator)
    fixed_affine = centered_affine(np.diag(spacing), spatial_shape, np.zeros(len(size)))
    fixed_points = voxel_points(spatial_shape, fixed_affine)

    velocity = _centered(random_waves(generator, (0.7, 2.0), size, components=len(size), count=10), fixed_points)
    time = _time_to_reach(maximum_displacement, velocity, fixed_points, spatial_shape, spacing)
    displacement = (flow(velocity, fixed_points, time) - fixed_points).reshape(-1, *spatial_shape)

    moving_shape, moving_affine = moving_grid(generator, size, np.asarray(spacing))
    origins = flow(velocity, voxel_points(moving_shape, moving_affine), -time)
    fixed_image, fixed_label = _scan(generator, torso, fixed_points, spatial_shape, altered=False)
    moving_image, moving_label = _scan(generator, torso, origins, moving_shape, altered)

    landmarks = _landmarks(generator, fixed_label, fixed_affine)  # (d, N)
    moved = flow(velocity, landmarks, time)
    visible = inside(moved, moving_shape, moving_affine)
    return PhantomPair(
        fixed_image=fixed_image,
        moving_image=moving_image,
        fixed_label=fixed_label,
        moving_label=moving_label,
        fixed_affine=fixed_affine,
        moving_affine=moving_affine,
        fixed_keypoints=(landmarks + center(landmarks))[:, visible].T,
        moving_keypoints=(moved + center(moved))[:, visible].T,
        displacement=displacement,
    )


def write_phantom(pair: PhantomPair, folder: str | Path) -> dict[str, Path]:
    """Write a pair as a user would have it.

    Args:
        pair: what `torso_phantom` returns.
        folder: created where missing.

    Returns:
        Paths by key: ``fixed_image moving_image fixed_label moving_label`` (NIfTI), ``fixed_keypoints
        moving_keypoints`` (CSV with the header x,y,z; LPS, mm) and ``displacement`` (see `common.io.write_field`).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for side in ("fixed", "moving"):
        grid = Grid(getattr(pair, f"{side}_image").shape, torch.from_numpy(getattr(pair, f"{side}_affine")))
        for kind in ("image", "label"):
            paths[f"{side}_{kind}"] = path = folder / f"{side}_{kind}.nii.gz"
            write_nifti(path, getattr(pair, f"{side}_{kind}"), grid.affine_3d().numpy())
        paths[f"{side}_keypoints"] = path = folder / f"{side}_keypoints.csv"
        points = getattr(pair, f"{side}_keypoints").round(POINT_DECIMALS)
        save_text(path, format_points(path, torch.from_numpy(points)))
    paths["displacement"] = folder / "true_displacement_field.nii.gz"
    fixed_grid = Grid(pair.fixed_image.shape, torch.from_numpy(pair.fixed_affine))
    write_field(paths["displacement"], Field(torch.from_numpy(pair.displacement)[None], fixed_grid))
    return paths


def _check(spatial_shape: tuple[int, ...], spacing: tuple[float, ...], maximum_displacement: float) -> None:
    if len(spatial_shape) not in (2, 3) or min(spatial_shape) < 16:
        raise ValueError(
            f"torso_phantom() expects 'spatial_shape' of 2 or 3 sides of 16 or more voxels, got {tuple(spatial_shape)}."
        )
    if len(spacing) != len(spatial_shape) or min(spacing) <= 0:
        raise ValueError(
            f"torso_phantom() expects 'spacing' of {len(spatial_shape)} positive lengths, got {tuple(spacing)}."
        )
    limit = min(spatial_shape) / 4
    if not 0 <= maximum_displacement <= limit:
        raise ValueError(
            f"torso_phantom() expects 'maximum_displacement' between 0 and a quarter of the shortest side "
            f"({limit:g} voxels), got {maximum_displacement}; more would fold."
        )


def _centered(velocity: Waves, points: NDArray) -> Waves:
    """The velocity less its mean, as one more wave of frequency 0: bulk shifts are for an affine pre-alignment."""
    mean = velocity(points[:, ::97]).mean(axis=1, keepdims=True)
    return Waves(
        np.vstack([velocity.frequencies, np.zeros((1, len(points)))]),
        np.vstack([velocity.phases, np.zeros((1, 1))]),
        np.hstack([velocity.amplitudes, -mean]),
    )


def _time_to_reach(
    target: float, velocity: Waves, points: NDArray, shape: tuple[int, ...], spacing: tuple[float, ...]
) -> float:
    """How long the flow takes until the greatest displacement has the target length in voxels."""
    thinned = np.ix_(np.arange(len(shape)), *[np.linspace(0, n - 1, 1 + n // 3).astype(int) for n in shape])
    points = points.reshape(-1, *shape)[thinned].reshape(len(shape), -1)  # the greatest is often on the border: kept
    voxel = np.array(spacing, dtype=points.dtype)[:, None]
    time = target / np.linalg.norm(velocity(points) / voxel, axis=0).max()
    for _ in range(4):  # displacement is nearly proportional to time: the secant through 0 converges at once
        reached = np.linalg.norm((flow(velocity, points, time) - points) / voxel, axis=0).max()
        time *= target / max(reached, 1e-6)
    return float(time)


def _scan(
    generator: np.random.Generator, torso: Torso, points: NDArray, shape: tuple[int, ...], altered: bool
) -> tuple[NDArray, NDArray]:
    """Image and label of the torso seen at ``points`` ``(d, N)``, as an ideal scanner or as another one."""
    size = torso.half_extent[: len(shape)] * 2
    contrast = generator.uniform(0.85, 1.15, len(TISSUES)) if altered else np.ones(len(TISSUES))
    spatial = points
    if len(shape) == 2:
        spatial = np.vstack([points, np.full_like(points[:1], SLICE_HEIGHT * torso.half_extent[2])])
    intensity, label = torso.render(spatial, contrast)
    gamma = generator.uniform(0.75, 0.85) if altered else 1.0
    intensity = 350 * (intensity / 350).clip(0) ** np.float32(gamma)
    intensity *= np.exp(0.10 * random_waves(generator, (0.8, 2.0), size, count=6)(points)[0])
    fine = random_waves(generator, (0.04, 0.08), np.full_like(size, size.mean()), count=32)(points)[0]
    intensity += 0.04 * intensity * fine
    noise = gaussian_filter(generator.standard_normal(shape, dtype=np.float32), 0.6) * 12
    return (intensity.reshape(shape) + noise).clip(0).astype(np.float32), label.reshape(shape)


def _landmarks(generator: np.random.Generator, label: NDArray, affine: NDArray) -> NDArray:
    """Well separated points of every organ, not on voxel centers, ``(d, N)`` in torso coordinates."""
    chosen: list[NDArray] = []
    for organ in np.unique(label[label > 0]):
        voxels = np.argwhere(label == organ)
        candidates = generator.permutation(voxels)[:500].astype(np.float64)
        picked = [candidates[0]]
        for _ in range(POINTS_PER_ORGAN - 1):
            distances = np.min([np.linalg.norm(candidates - point, axis=1) for point in picked], axis=0)
            picked.append(candidates[distances.argmax()])
        chosen += picked
    points = np.array(chosen) + generator.uniform(-0.4, 0.4, (len(chosen), label.ndim))
    return to_torso(points.clip(0, np.array(label.shape) - 1).T, affine)
