"""How far apart pairs are by their headers and after the start alone: `python benchmarks/start.py DATA`.

DATA is a folder with any of `torso_b`, `abdomen_ct`, `hippocampus_mr`, `ct_mr`, `sunnybrook_cine_mr`; what is missing
is left out. Prints a table, the worst first, and the seconds the start took.
"""

import csv
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from common.io import grid_of
from common.metrics import dice_per_label
from common.phantoms import torso_phantom, write_phantom
from common.spatial import Grid, center_of, ras_to_lps, sample, voxel_to_world
from common.transforms import InitialTransformd, LoadPointsd, LoadScansd

SCANS, LABELS = ("fixed_image", "moving_image"), ("fixed_label", "moving_label")
POINTS = ("fixed_keypoints", "moving_keypoints")
LISTS = Path(__file__).parent / "pairs"
SEEDS = range(8)
DEGREES, SHIFT = (12, -8, 10), (30.0, -25.0, 40.0)  # by which the header of an MR is moved
CONTOUR = 11  # the label of torso_b that is no organ


def phantoms(scratch: Path) -> Iterator[tuple[str, dict[Any, Any]]]:
    """Built-in phantoms; seeds 0 to 3 were used to choose the measure."""
    for seed in SEEDS:
        paths = write_phantom(torso_phantom(seed=seed), scratch / str(seed))
        yield f"torso {seed}{'*' * (seed < 4)}", {key: paths[key] for key in SCANS + LABELS + POINTS}


def listed(data: Path) -> Iterator[tuple[str, dict[Any, Any]]]:
    """Pairs of a list; those with even numbers were used to choose, of torso_b the first."""
    lists = {name: LISTS / f"{name}.csv" for name in ("abdomen_ct", "hippocampus_mr")}
    for name, path in {**lists, "torso_b": data / "torso_b" / "pairs.csv"}.items():
        if (data / name).is_dir():
            for number, row in enumerate(csv.DictReader(path.open())):
                seen = number == 0 if name == "torso_b" else number % 2 == 0
                yield (
                    f"{name} {number}{'*' * seen}",
                    {key: data / name / value for key, value in row.items()}
                    | {"no_organ": CONTOUR if name == "torso_b" else 0},
                )


def ct_mr(data: Path) -> Iterator[tuple[str, dict[Any, Any]]]:
    """CT and MR of one patient as they are, and with the header of the MR moved; the first two were used to choose."""
    for folder in sorted((data / "ct_mr").glob("STS_*")):
        ct, mr = (
            {"image": folder / f"{name}_image.nii.gz", "label": folder / f"{name}_mask.nii.gz"}
            for name in ("CT", "MR_T1")
        )
        pair = {f"{side}_{key}": path for side, scan in (("fixed", ct), ("moving", mr)) for key, path in scan.items()}
        seen = "*" * (folder.name in ("STS_001", "STS_002"))
        yield f"ct_mr {folder.name}{seen}", {**pair, "moved": torch.eye(4).double()}
        image = nib.Nifti1Image.from_filename(mr["image"])
        center = center_of(Grid(image.shape, ras_to_lps(image.affine))).numpy()
        moved = np.eye(4)
        moved[:3, :3] = Rotation.from_euler("zyx", DEGREES, degrees=True).as_matrix()
        moved[:3, 3] = center - moved[:3, :3] @ center + SHIFT
        yield f"ct_mr {folder.name} moved{seen}", {**pair, "moved": torch.from_numpy(moved)}


def sunnybrook(data: Path, scratch: Path) -> Iterator[tuple[str, dict[Any, Any]]]:
    """End-diastole and end-systole of one patient: the headers are right."""
    for path in sorted((data / "sunnybrook_cine_mr").glob("*_image.nii.gz")):
        label = nib.Nifti1Image.from_filename(str(path).replace("_image", "_endo"))
        phases = np.flatnonzero(np.asarray(label.dataobj).any(axis=(0, 1, 2)))
        pair = {}
        for side, phase in (("fixed", phases[0]), ("moving", phases[-1])):
            for kind, scan in (("image", nib.Nifti1Image.from_filename(path)), ("label", label)):
                pair[f"{side}_{kind}"] = scratch / f"{path.name}_{side}_{kind}.nii.gz"
                nib.save(
                    nib.Nifti1Image(np.asarray(scan.dataobj)[..., phase], scan.affine),
                    pair[f"{side}_{kind}"],
                )
        yield f"sunnybrook {path.name.removesuffix('_image.nii.gz')}", pair


def measure(pair: dict[Any, Any]) -> dict[Any, Any]:
    """TRE (mm) and mean Dice by the headers and after the start."""
    moved = pair.pop("moved", None)
    no_organ = pair.pop("no_organ", 0)
    data = LoadPointsd(POINTS)(LoadScansd(SCANS, LABELS)(pair)) | {"no_organ": no_organ}
    if moved is not None:
        for key in ("moving_image", "moving_label"):
            data[key].affine = ras_to_lps(moved @ ras_to_lps(data[key].affine.double()))
        grid = grid_of(data["moving_image"])
        places = torch.cartesian_prod(*[torch.linspace(0, size - 1, 6).double() for size in grid.shape])
        data["moving_keypoints"] = voxel_to_world(places, ras_to_lps(grid.affine))
        data["fixed_keypoints"] = voxel_to_world(data["moving_keypoints"], torch.linalg.inv(moved))
    begin = time.process_time()
    data = InitialTransformd(SCANS)(data)
    row = {"seconds": time.process_time() - begin, "taken": json.loads(data["start"])["taken"]}
    for moment, matrix in (("headers", torch.eye(4).double()), ("start", data["initial_transform"])):
        row[f"TRE {moment}"], row[f"Dice {moment}"] = _error(data, matrix), _dice(data, matrix)
    return row


def _error(data: dict[Any, Any], matrix: torch.Tensor) -> float:
    if "fixed_keypoints" not in data:
        return float("nan")
    fixed, moving = (torch.as_tensor(data[key]).double() for key in POINTS)
    return float((voxel_to_world(fixed, matrix) - moving).norm(dim=1).mean())


def _dice(data: dict[Any, Any], matrix: torch.Tensor) -> float:
    fixed, moving = (data[key] for key in LABELS)
    grid = grid_of(fixed)
    places = Grid(grid.shape, matrix @ ras_to_lps(grid.affine)).map_to(ras_to_lps(grid_of(moving).affine))
    warped = sample(moving.as_tensor()[None], places, "nearest", "inside")[0, 0]
    labels = sorted((set(fixed.unique().tolist()) & set(moving.unique().tolist())) - {0, data["no_organ"]})
    return float(np.mean(list(dice_per_label(warped, fixed.as_tensor()[0], labels).values())))


def main(data: Path) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        cases = [*phantoms(scratch), *listed(data), *ct_mr(data), *sunnybrook(data, scratch)]
        rows = [{"pair": name, **measure(pair)} for name, pair in cases]
    rows.sort(key=lambda row: (row["Dice start"] - row["Dice headers"], row["TRE headers"] - row["TRE start"]))
    print(
        "| pair | TRE headers | TRE start | Dice headers | Dice start | taken |", "|---|---|---|---|---|---|", sep="\n"
    )
    for row in rows:
        errors = " | ".join("" if np.isnan(row[f"TRE {m}"]) else f"{row[f'TRE {m}']:.1f}" for m in ("headers", "start"))
        print(f"| {row['pair']} | {errors} | {row['Dice headers']:.3f} | {row['Dice start']:.3f} | {row['taken']} |")
    print(f"median {np.median([row['seconds'] for row in rows]):.2f} s of one core")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
