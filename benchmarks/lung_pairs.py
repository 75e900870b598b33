"""The pairs the lung bundle is measured on; see its `README.md`. Nothing was trained on them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import torch
from lung_split import REPORTED, REPORTED_PHANTOMS
from nibabel.affines import apply_affine
from numpy.typing import NDArray
from scipy import ndimage

from common.io import format_points
from common.phantoms import chest_phantom, write_phantom
from common.spatial import (
    RandomSpline,
    SplineField,
    compose_splines,
    deformed_pair,
    identity_grid,
    jacobian_determinant,
)
from common.transforms import BoreMaskd, CaseGrid, CaseGridd, LoadScansd

SPACING, SIZE = (2.6, 2.1, 2.6), (128, 128, 128)  # twice as fine as what the networks see
AUGMENTATION = [RandomSpline(2, 0.05)]
MOTION = [RandomSpline(8, 0.025), RandomSpline(4, (0.025, 0.05, 0.1))]
LANDMARKS, AIR = 300, -400.0  # a pair; HU below which a voxel is lung or air
LEAST_SHARE = 0.02  # of the grid, of a lung
LUNGS = (1, 2)  # labels of the phantom


class Kind(NamedTuple):
    """How many pairs of a kind there are, and the random splines of their motion."""

    number: int
    motion: list[RandomSpline]


KINDS = {
    "synthetic": Kind(40, MOTION),  # as in training
    "large": Kind(20, [*MOTION, RandomSpline(2, (0.05, 0.08, 0.2))]),  # up to a quarter of the field of view
}

CHOOSING = (
    "chest_a",
    {name: kind._replace(number=count) for (name, kind), count in zip(KINDS.items(), (3, 1), strict=True)},
)
CHOOSING_SEEDS = range(200, 204)  # of phantoms, for choosing what comes after the network


def synthetic_pairs(
    chest_ct: Path, folder: Path, name: str = REPORTED, kinds: dict[str, Kind] = KINDS
) -> Iterator[dict[str, str]]:
    """Pairs of a scan, that left out of the training, with landmarks drawn in the lungs; prints how far those move."""
    case = LoadScansd("image")({"image": str(chest_ct / "images" / f"{name}.nii.gz")})
    case = CaseGridd("image", CaseGrid(SPACING, SIZE, region="lungs"), "mask")(BoreMaskd("image")(case))
    scan, mask = (case[key].as_tensor().float()[None] for key in ("image", "mask"))
    lungs = torch.from_numpy(_lungs(scan[0, 0].numpy())).float()[None, None] * mask
    for kind, (count, splines) in kinds.items():
        distances = []
        for number in range(count):
            generator = torch.Generator().manual_seed(number)
            augmentation = [spline.draw(SIZE, 1, generator) for spline in AUGMENTATION]
            motion, shift = _draw_motion(splines, generator)
            pair = deformed_pair(scan, augmentation, motion, SIZE, mask, -1000.0)
            inner = deformed_pair(lungs, augmentation, motion, SIZE)
            sides = {"fixed": (pair.fixed_image, inner.fixed_image), "moving": (pair.moving_image, inner.moving_image)}
            landmarks = _landmarks(inner.fixed_image[0, 0].numpy() > 0.5, shift, number)
            distances.append(np.linalg.norm((landmarks["moving"] - landmarks["fixed"]) * SPACING, axis=1))
            yield _write(folder, f"{kind}_{number:02d}", sides, landmarks, case["image"].affine.numpy())
        print(f"{kind}: landmarks move by {np.mean(distances):.2f} mm, {np.max(distances):.2f} at most")


def _lungs(scan: NDArray) -> NDArray:
    """Air that in no slice goes on to the border, in large pieces; windpipe and bronchi included."""
    air = scan < AIR
    for index in range(air.shape[2]):
        pieces, _ = ndimage.label(air[:, :, index])
        border = np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]])
        air[:, :, index] &= ~np.isin(pieces, border[border > 0])
    organs, count = ndimage.label(air)
    sizes = ndimage.sum_labels(air, organs, range(1, count + 1))
    large = [number + 1 for number, size in enumerate(sizes) if size > LEAST_SHARE * air.size]
    return np.asarray(ndimage.binary_fill_holes(np.isin(organs, large)))


def _draw_motion(splines: list[RandomSpline], generator: torch.Generator) -> tuple[list[SplineField], NDArray]:
    """Fields, and the displacement of all of them, voxels; drawn again where they fold."""
    while True:
        motion = [spline.draw(SIZE, 1, generator) for spline in splines]
        shift = compose_splines(motion, SIZE) - identity_grid(SIZE)
        if float(jacobian_determinant(shift, crop=0).min()) > 0:
            return motion, shift[0].numpy()


def _landmarks(lungs: NDArray, shift: NDArray, seed: int) -> dict[str, NDArray]:
    """Random voxels of the lungs, and where they are in the moving scan, voxels: within the grid."""
    places = np.argwhere(lungs)
    partners = places + np.stack([component[tuple(places.T)] for component in shift], axis=1)
    inside = ((partners >= 0) & (partners <= np.array(SIZE) - 1)).all(axis=1)
    chosen = np.random.default_rng(seed).choice(np.flatnonzero(inside), LANDMARKS, replace=False)
    return {"fixed": places[chosen].astype(float), "moving": partners[chosen]}


def _write(
    folder: Path,
    name: str,
    sides: dict[str, tuple[torch.Tensor, torch.Tensor]],
    landmarks: dict[str, NDArray],
    affine: NDArray,
) -> dict[str, str]:
    files = {"pair": name}
    for side, (image, lungs) in sides.items():
        files[f"{side}_image"] = str(folder / f"{name}_{side}.nii.gz")
        files[f"{side}_label"] = str(folder / f"{name}_{side}_lungs.nii.gz")
        files[f"{side}_keypoints"] = str(folder / f"{name}_{side}.csv")
        nib.save(nib.Nifti1Image(image[0, 0].numpy().astype(np.int16), affine), files[f"{side}_image"])
        nib.save(nib.Nifti1Image((lungs[0, 0] > 0.5).numpy().astype(np.uint8), affine), files[f"{side}_label"])
        world = apply_affine(np.diag([-1, -1, 1, 1]) @ affine, landmarks[side])  # LPS
        Path(files[f"{side}_keypoints"]).write_text(format_points("points.csv", torch.as_tensor(world)))
    return files


def phantom_pairs(folder: Path, seeds: Iterable[int] = REPORTED_PHANTOMS) -> Iterator[dict[str, str]]:
    """Breathing chests; of their labels the lungs."""
    for seed in seeds:
        pair = chest_phantom(seed=seed)
        fixed, moving = (np.where(np.isin(label, LUNGS), label, 0) for label in (pair.fixed_label, pair.moving_label))
        paths = write_phantom(replace(pair, fixed_label=fixed, moving_label=moving), folder / f"phantom_{seed:02d}")
        yield {"pair": f"phantom_{seed:02d}"} | {
            key: str(path) for key, path in paths.items() if key.startswith(("fixed", "moving"))
        }
