"""Pairs of every kind, in two parts: one chooses settings, the other is reported. Divided before the first run."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import torch
from lung_pairs import MOTION, Kind, synthetic_pairs
from nibabel.affines import apply_affine
from start import CONTOUR, LISTS, sunnybrook

from common.io import format_points, write_table
from common.phantoms import torso_phantom, write_phantom
from common.spatial import RandomSpline, identity_grid, sample

SPLINE = RandomSpline(5, 0.05)  # its shape; its size is LARGEST
LARGEST = 15.0  # mm that a CT is moved at most
LANDMARKS, BODY, AIR = 300, -300.0, -1000.0  # a pair; HU of which the body is more; HU outside
KEYS = ("image", "label", "keypoints")
FOLDERS = {"hippocampus": "hippocampus_mr", "abdomen": "abdomen_ct"}  # of the kinds whose pairs are listed


class Part(NamedTuple):
    """Which cases of every kind belong to a part: seeds, rows of lists, scans, patients."""

    torso: tuple[int, ...]
    torso_b: tuple[int, ...]
    hippocampus: tuple[int, ...]
    abdomen: tuple[int, ...]
    chest: str
    ct_mr: tuple[str, ...]
    cine: tuple[int, ...]


PARTS = {
    "choosing": Part((10, 11), (0,), tuple(range(8)), (0, 1, 2), "chest_a", ("STS_001", "STS_002"), (0,)),
    "reporting": Part(
        (20, 21, 22), (1, 2), tuple(range(8, 20)), (5, 7, 8, 9, 13), "chest_b", ("STS_003", "STS_004"), (1, 2)
    ),
}


def write_pairs(data: Path, output: Path) -> None:
    """Write what has to be made, and for each part a folder of lists, one for each kind."""
    output.mkdir(parents=True, exist_ok=True)
    columns = [f"{side}_{key}" for side in ("fixed", "moving") for key in KEYS]
    for name, part in PARTS.items():
        (output / name).mkdir(exist_ok=True)
        pairs = [*_phantoms(part, output), *_listed(part, data, output), *_deformed(part, data, output)]
        pairs += [*_cine(part, data, output)]
        for kind in dict.fromkeys(pair["kind"] for pair in pairs):
            rows = [
                {key: Path(pair[key]).resolve() for key in columns if key in pair}
                for pair in pairs
                if pair["kind"] == kind
            ]
            write_table(output / name / f"{kind}.csv", rows)


def reported_scans(kind: str) -> set[str]:
    """Names of the scans of a listed kind that are in pairs which are reported."""
    rows = list(csv.DictReader((LISTS / f"{FOLDERS[kind]}.csv").open()))
    pairs = [rows[number] for number in getattr(PARTS["reporting"], kind)]
    return {Path(pair[f"{side}_image"]).name for pair in pairs for side in ("fixed", "moving")}


def _phantoms(part: Part, output: Path) -> Iterator[dict[str, Any]]:
    for seed in part.torso:
        yield {"kind": "torso", **write_phantom(torso_phantom(seed=seed), output / f"torso_{seed}")}


def _listed(part: Part, data: Path, output: Path) -> Iterator[dict[str, Any]]:
    lists = {
        "torso_b": (data / "torso_b" / "pairs.csv", "torso_b", part.torso_b),
        "hippocampus": (LISTS / "hippocampus_mr.csv", "hippocampus_mr", part.hippocampus),
        "abdomen": (LISTS / "abdomen_ct.csv", "abdomen_ct", part.abdomen),
    }
    for kind, (path, folder, chosen) in lists.items():
        rows = list(csv.DictReader(path.open()))
        for number in chosen:
            pair = {key: data / folder / value for key, value in rows[number].items()}
            if kind == "torso_b":  # without the outline of the body, which is no organ
                for key in ("fixed_label", "moving_label"):
                    pair[key] = _without_contour(pair[key], output / f"torso_b_{number}_{key}.nii.gz")
            yield {"kind": kind, **pair}


def _without_contour(path: Path, output: Path) -> Path:
    label = nib.Nifti1Image.from_filename(path)
    values = np.asarray(label.dataobj)
    nib.save(nib.Nifti1Image(np.where(values == CONTOUR, 0, values), label.affine), output)
    return output


def _deformed(part: Part, data: Path, output: Path) -> Iterator[dict[str, Any]]:
    """A chest CT deformed twice, see `lung_pairs`, and a CT deformed beside the MR of the same patient."""
    kinds = {f"{part.chest}_large": Kind(2, [*MOTION, RandomSpline(2, (0.05, 0.08, 0.2))])}
    for pair in synthetic_pairs(data / "chest_ct", output, part.chest, kinds):
        yield {**pair, "kind": "chest"}
    for seed, patient in enumerate(part.ct_mr):
        yield {"kind": "ct_mr", **_ct_mr_pair(data / "ct_mr" / patient, output, seed)}


def _ct_mr_pair(folder: Path, output: Path, seed: int) -> dict[str, Any]:
    ct, mask = (nib.Nifti1Image.from_filename(folder / f"CT_{name}.nii.gz") for name in ("image", "mask"))
    spacing = torch.tensor(nib.affines.voxel_sizes(ct.affine)).float().view(1, 3, 1, 1, 1)
    field = SPLINE.draw(ct.shape, 1, torch.Generator().manual_seed(seed)).on_grid(ct.shape)
    field *= LARGEST / float((field * spacing).norm(dim=1).max())
    places = identity_grid(ct.shape)[None] + field
    scan = torch.from_numpy(np.asarray(ct.dataobj, dtype=np.float32))[None, None]
    tumor = torch.from_numpy(np.asarray(mask.dataobj, dtype=np.float32))[None, None]
    fixed = sample(scan - AIR, places, padding="zeros") + AIR
    fixed_label = sample(tumor, places, "nearest", "zeros")
    mr = nib.Nifti1Image.from_filename(folder / "MR_T1_image.nii.gz")
    points = _common_points(fixed[0, 0].numpy(), places[0].numpy(), ct.affine, mr, seed)
    pair = {"moving_image": folder / "MR_T1_image.nii.gz", "moving_label": folder / "MR_T1_mask.nii.gz"}
    for key, array in (("fixed_image", fixed), ("fixed_label", fixed_label)):
        pair[key] = output / f"{folder.name}_{key}.nii.gz"
        nib.save(nib.Nifti1Image(array[0, 0].numpy().astype(np.int16), ct.affine), pair[key])
    for key, world in points.items():
        pair[key] = output / f"{folder.name}_{key}.csv"
        pair[key].write_text(format_points("points.csv", torch.as_tensor(world)))
    return pair


def _common_points(fixed: np.ndarray, places: np.ndarray, affine: np.ndarray, mr: Any, seed: int) -> dict[str, Any]:
    """Random voxels of the body and their partners, LPS mm, that lie within the MR: the two are aligned."""
    voxels = np.argwhere(fixed > BODY)
    moving = apply_affine(affine, places[(slice(None), *voxels.T)].T)
    inside = apply_affine(np.linalg.inv(mr.affine), moving)
    seen = np.flatnonzero(((inside >= 0) & (inside <= np.array(mr.shape) - 1)).all(axis=1))
    chosen = np.random.default_rng(seed).choice(seen, LANDMARKS, replace=False)
    lps = np.array([-1, -1, 1])
    return {
        "fixed_keypoints": apply_affine(affine, voxels[chosen]) * lps,
        "moving_keypoints": moving[chosen] * lps,
    }


def _cine(part: Part, data: Path, output: Path) -> Iterator[dict[str, Any]]:
    for number, (_, pair) in enumerate(sunnybrook(data, output)):
        if number in part.cine:
            yield {"kind": "cine", **pair}
