"""Abdominal CT for the self-training of paper 003: `python benchmarks/abdomen.py ../shared/data/abdomen_ct cases`.

Writes the scans on one grid around the organs of the first one, affinely aligned to it by the start of the bundle, and
the list `cases.json`: those of the pairs that `choose_pairs.py` reports are for validation, all others for training.
`pairs/abdomen.csv` has each of the former as fixed scan with the next two. See README.md.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import fire
import numpy as np
import torch
from choose_pairs import reported_scans
from monai.data import MetaTensor

from common.engines import one_sentence
from common.io import grid_of, read_scan, save_text, write_nifti, write_table
from common.spatial import Grid, place_centered, ras_to_lps, resample, sample, voxel_to_world
from common.transforms import InitialTransformd

SPACING, SIZE = 5.0, (80, 64, 64)  # mm, voxels


def cases(data: str, output: str) -> None:
    """Write aligned scans, their labels and the list."""
    source, folder = Path(data), Path(output)
    paths = sorted((source / "images").iterdir())
    held = reported_scans("abdomen")
    first = next(path for path in paths if path.name not in held)
    reference, organs = read_scan(first), read_scan(source / "labels" / first.name, label=True)
    grid = place_centered(SIZE, torch.eye(3).double() * SPACING, _middle(organs))
    parts: dict[str, list[dict[str, str]]] = {"training": [], "validation": []}
    for path in paths:
        image, label = read_scan(path), read_scan(source / "labels" / path.name, label=True)
        pair = InitialTransformd(("fixed_image", "moving_image"))({"fixed_image": reference, "moving_image": image})
        _write(folder, path.name, image, label, grid, pair["initial_transform"])
        case = {"image": f"images/{path.name}", "label": f"labels/{path.name}"}
        parts["validation" if path.name in held else "training"].append(case)
        print(f"{path.name}: {json.loads(pair['start'])['taken']}")
    save_text(folder / "cases.json", json.dumps(parts, indent=4))
    write_table(folder / "pairs" / "abdomen.csv", list(_pairs(folder.resolve(), parts["validation"])))


def _pairs(folder: Path, cases: list[dict[str, str]]) -> Iterator[dict[str, Path]]:
    for number, fixed in enumerate(cases):
        for step in (1, 2):
            sides = {"fixed": fixed, "moving": cases[(number + step) % len(cases)]}
            yield {f"{side}_{key}": folder / case[key] for key in ("image", "label") for side, case in sides.items()}


def _middle(label: MetaTensor) -> torch.Tensor:
    """Of the box around all labels, RAS mm, ``(3,)``."""
    voxels = label.as_tensor()[0].nonzero().double()
    return voxel_to_world((voxels.amin(dim=0) + voxels.amax(dim=0)) / 2, grid_of(label).affine)


def _write(folder: Path, name: str, image: MetaTensor, label: MetaTensor, grid: Grid, start: torch.Tensor) -> None:
    """Write a scan on the grid, whose points the start (LPS mm) brings to where they lie in the scan."""
    placed = Grid(grid.shape, start.double() @ ras_to_lps(grid.affine))
    warped = resample(image.as_tensor()[None], ras_to_lps(grid_of(image).affine), placed)[0, 0]
    places = placed.map_to(ras_to_lps(grid_of(label).affine))
    labels = sample(label.as_tensor()[None], places, "nearest", "zeros")[0, 0]
    for kind, array in (("images", warped.numpy().astype(np.float32)), ("labels", labels.numpy().astype(np.uint8))):
        write_nifti(folder / kind / name, array, grid.affine.numpy())


if __name__ == "__main__":
    with one_sentence():
        fire.Fire(cases)
