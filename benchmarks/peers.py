"""SyN (ANTs), greedy, convexAdam and elastix on a list of pairs, measured as the bundles measure.

`python benchmarks/peers.py syn pairs.csv --output syn.csv`

SyN, greedy and elastix start from the files as they are, find their own affine, and warp the label map themselves, by
the nearest neighbor; convexAdam has neither and gets those of the bundles. The table is read by
`benchmarks/summarize.py` and `python -m common compare_results`. Seconds are those from the files to the warped files.
Install with `pip install -c constraints.txt '.[peers]'`.
"""

import argparse
import csv
import importlib
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from monai.data import MetaTensor

from common.data import read_pairs
from common.engines import one_sentence, sentence
from common.io import Field, grid_of, read_field, read_scan, save_scan, write_field, write_table
from common.spatial import (
    Grid,
    compose,
    displacement_from_world,
    displacement_to_world,
    identity_grid,
    ras_to_lps,
    voxel_to_world,
)
from common.transforms import InitialTransformd, LoadPointsd, LoadScansd, MeasureRegistrationd, warp_scan

IMAGE, LABEL, FIELD = "warped_image.nii.gz", "warped_label.nii.gz", "displacement_field.nii.gz"
SCANS, LABELS = ("fixed_image", "moving_image"), ("fixed_label", "moving_label")
KEYPOINTS = ("fixed_keypoints", "moving_keypoints")
PACKAGES = {
    "syn": ("ants", "antspyx"),
    "greedy": ("picsl_greedy", "picsl-greedy"),
    "convexadam": ("convexAdam.convex_adam_MIND", "convexAdam"),
    "elastix": ("itk", "itk-elastix"),
}
Pair = Mapping[Any, str]
OF_THE_FIELD = ("folding_percent", "folding_inside_percent", "sdlogj", "tre_mm")
AGREEMENT = 0.97  # of labels warped with the field read here and by the program; ties of the nearest neighbor differ


def syn(pair: Pair, folder: Path, _: int) -> None:
    """Register with ANTs as its Python package does by default: centers of mass, affine, then SyN."""
    ants = _program("syn")
    fixed, moving = (ants.image_read(pair[key]) for key in SCANS)
    label = ants.image_read(pair["moving_label"])
    found = ants.registration(fixed, moving, type_of_transform="SyN", outprefix=f"{folder}/", random_seed=1)
    path = found["fwdtransforms"]
    ants.image_write(found["warpedmovout"], str(folder / IMAGE))
    warped = ants.apply_transforms(fixed, label, path, interpolator="nearestNeighbor")
    ants.image_write(warped, str(folder / LABEL))
    Path(ants.apply_transforms(fixed, moving, path, compose=f"{folder}/")).rename(folder / FIELD)


def greedy(pair: Pair, folder: Path, threads: int) -> None:
    """Register with greedy as its manual begins, by patches: image centers, rigid, affine, then deformable.

    Without the rigid step the affine loses more scans of different fields of view.
    """
    run = _program("greedy").Greedy3D().execute
    fixed, moving, label = (_link(pair[key], folder, key) for key in (*SCANS, "moving_label"))
    quiet = f"-V 0 -seed 1 -threads {threads}"
    images = f"{quiet} -i {fixed} {moving} -m NCC 2x2x2 -n 100x50x10"
    rigid, affine, warp = folder / "rigid.mat", folder / "affine.mat", folder / "warp.nii.gz"
    run(f"-a -dof 6 -ia-image-centers {images} -o {rigid}")
    run(f"-a -ia {rigid} {images} -o {affine}")
    run(f"-it {affine} {images} -o {warp}")
    scans = f"-ri LINEAR -rm {moving} {folder / IMAGE} -ri NN -rm {label} {folder / LABEL}"
    run(f"{quiet} -rf {fixed} {scans} -rc {folder / FIELD} -r {warp} {affine}")


def convexadam(pair: Pair, folder: Path, _: int) -> None:
    """Register with convexAdam as its package does by default, after the affine of the bundles."""
    register_volumes = _program("convexadam").convex_adam_pt
    data = InitialTransformd(SCANS)(LoadScansd(SCANS, LABELS)(pair))
    grid = grid_of(data["fixed_image"])
    start = _linear_field(grid, data["initial_transform"])
    images = data["fixed_image"].as_tensor()[0], warp_scan(data["moving_image"], start).as_tensor()[0]
    found = register_volumes(*images, dtype=torch.float32, device=torch.device("cpu"))
    ddf = torch.from_numpy(found).float().movedim(-1, 0)[None]
    ddf = compose(ddf, displacement_from_world(start.displacement, grid.affine))
    field = Field(displacement_to_world(ddf, grid.affine), grid)
    save_scan(folder / IMAGE, warp_scan(data["moving_image"], field))
    save_scan(folder / LABEL, warp_scan(data["moving_label"], field, "nearest"))
    write_field(folder / FIELD, field)


def elastix(pair: Pair, folder: Path, threads: int) -> None:
    """Register with elastix by its default maps of Mattes' mutual information: rigid, affine, splines of 16 mm."""
    itk = _program("elastix")
    if not hasattr(itk, "ParameterObject"):
        raise ValueError("This needs itk-elastix beside itk: pip install itk-elastix.")
    fixed, moving, label = (itk.imread(pair[key], itk.F) for key in (*SCANS, "moving_label"))
    maps = itk.ParameterObject.New()
    for kind in ("rigid", "affine", "bspline"):
        maps.AddParameterMap(maps.GetDefaultParameterMap(kind, 4, 16.0))
    image, found = itk.elastix_registration_method(
        fixed, moving, parameter_object=maps, number_of_threads=threads, log_to_console=False
    )
    itk.imwrite(image, str(folder / IMAGE))
    # transformix writes the field to a file of its own as well, which goes with the folder
    field = itk.transformix_deformation_field(moving, found, output_directory=str(folder), log_to_console=False)
    itk.imwrite(field, str(folder / FIELD))
    found.SetParameter("FinalBSplineInterpolationOrder", "0")
    warped = itk.transformix_filter(label, found, log_to_console=False)
    itk.imwrite(warped.astype(itk.SS), str(folder / LABEL))


def _linear_field(grid: Grid, matrix: torch.Tensor) -> Field:
    """The displacement of a matrix from fixed to moving points, LPS mm."""
    points = voxel_to_world(identity_grid(grid.shape).movedim(0, -1).double(), ras_to_lps(grid.affine))
    moved = voxel_to_world(points, matrix)
    return Field((moved - points).float().movedim(-1, 0)[None], grid)


PROGRAMS: dict[str, Callable[[Pair, Path, int], None]] = {
    "syn": syn,
    "greedy": greedy,
    "convexadam": convexadam,
    "elastix": elastix,
}


def measure(data: dict[Any, Any], folder: Path) -> dict[str, Any]:
    """Measure the files a program left, as the bundles do; the field only where it warps as the program did."""
    field = read_field(folder / FIELD)
    still = Field(torch.zeros_like(field.displacement), field.grid)
    data = {
        **data,
        "warped_image": read_scan(folder / IMAGE),
        "warped_label": read_scan(folder / LABEL, label=True),
        "unaligned_image": warp_scan(data["moving_image"], still),
        "unaligned_label": warp_scan(data["moving_label"], still, "nearest"),
        "displacement_field": MetaTensor(field.displacement[0], affine=field.grid.affine),
    }
    metrics: dict[str, Any] = MeasureRegistrationd()(data)["metrics"]
    again = warp_scan(data["moving_label"], field, "nearest").as_tensor()
    trusted = _agreement(again, data["warped_label"].as_tensor()) > AGREEMENT
    return metrics if trusted else metrics | dict.fromkeys(OF_THE_FIELD)


def _agreement(first: torch.Tensor, second: torch.Tensor) -> float:
    """Share of equal voxels where either map has a label; 1 where neither has, as both moved it out of sight."""
    labeled = (first > 0) | (second > 0)
    return float((first == second)[labeled].double().mean()) if labeled.any() else 1.0


def _link(path: str, folder: Path, name: str) -> Path:
    """The file under a name without spaces, at which greedy's command line would break."""
    link = folder / (name + "".join(Path(path).suffixes[-2:]))
    link.symlink_to(Path(path).resolve())
    return link


def _program(name: str) -> Any:
    module, package = PACKAGES[name]
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(f"This needs {package}: pip install {package}.") from error


def _done(path: Path) -> list[dict[str, Any]]:
    """Rows of an earlier run that did not fail."""
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if not row["error"]]


def metrics_of(name: str, pair: Pair, threads: int) -> dict[str, Any]:
    """Register and measure one pair."""
    data = LoadScansd(SCANS, LABELS)(pair)  # first, as ANTs takes the process down with what is no image
    data = LoadPointsd(KEYPOINTS)(data)
    with tempfile.TemporaryDirectory() as folder:
        start = perf_counter()
        PROGRAMS[name](pair, Path(folder), threads)
        seconds = perf_counter() - start
        return measure(data, Path(folder)) | {"seconds": {"total": seconds}}


def register(name: str, pair: Pair, threads: int) -> dict[str, Any]:
    """The row of one pair; a failure becomes its error."""
    row: dict[str, Any] = {"pair": pair["pair"], "error": ""}
    try:
        metrics = metrics_of(name, pair, threads)
        moments = [(name, moment) for name in ("dice", "hd95_mm") for moment in ("before", "after")]
        row |= {f"{name}_{moment}": metrics[name][moment] for name, moment in moments}
        row |= {name: metrics[name] for name in ("folding_percent", "sdlogj")}
        return row | {"seconds": metrics["seconds"]["total"]}
    except (ValueError, RuntimeError, OSError, MemoryError) as error:
        return row | {"error": sentence(error)}


def main() -> None:
    """Register every pair of a list that is not in the output yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", choices=PROGRAMS)
    parser.add_argument("pairs", help="list of pairs with labels, CSV or JSON, as for a bundle")
    parser.add_argument("--output", type=Path, required=True, help="CSV; a rerun skips what is complete")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(arguments.threads)  # read when ITK first works
    torch.set_num_threads(arguments.threads)
    with one_sentence():
        _program(arguments.program)  # the time of the import is not that of the first pair
        rows = _done(arguments.output)
        known = {row["pair"] for row in rows}
        for pair in read_pairs(arguments.pairs):
            if not pair.keys() >= set(LABELS):
                raise ValueError(f"{arguments.pairs} is expected to give both label maps of every pair.")
            if pair["pair"] in known:
                continue
            rows.append(register(arguments.program, pair, arguments.threads))
            print(", ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
            write_table(arguments.output, rows)
    if failures := [row["pair"] for row in rows if row["error"]]:
        raise SystemExit(f"Error: {len(failures)} pairs failed: {', '.join(failures)}.")


if __name__ == "__main__":
    main()
