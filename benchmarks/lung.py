"""Registrations of the lung bundle on pairs nothing was trained on, see the bundle's `README.md`."""

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from lung_split import REPORTED, REPORTED_PHANTOMS
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from common.io import format_points
from common.phantoms import chest_phantom, write_phantom
from common.spatial import RandomSpline, compose_splines, deformed_pair, identity_grid
from common.transforms import BoreMaskd, CaseGrid, CaseGridd, LoadScansd

SYNTHETIC = 40
SPACING, SIZE = (2.6, 2.1, 2.6), (128, 128, 128)  # twice as fine as what the networks see
AUGMENTATION = [RandomSpline(2, 0.05)]
MOTION = [RandomSpline(8, 0.025), RandomSpline(4, (0.025, 0.05, 0.1))]
LANDMARKS, AIR = 300, -400.0  # a pair; HU below which a voxel is lung or air


def main() -> None:
    """Write pairs, or sum up what was registered."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    pairs = commands.add_parser("pairs", help="write the pairs and pairs.csv")
    pairs.add_argument("chest_ct", type=Path)
    pairs.add_argument("output", type=Path)
    table = commands.add_parser("table", help="mean and deviation of the landmarks' errors, of folders of results")
    table.add_argument("results", type=Path, nargs="+")
    arguments = parser.parse_args()
    if arguments.command == "pairs":
        arguments.output.mkdir(parents=True, exist_ok=True)
        made = [*synthetic_pairs(arguments.chest_ct, arguments.output), *phantom_pairs(arguments.output)]
        with (arguments.output / "pairs.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, sorted({key for pair in made for key in pair}))
            writer.writeheader()
            writer.writerows(made)
    else:
        for folder in arguments.results:
            summarize(folder)


def synthetic_pairs(chest_ct: Path, folder: Path) -> Iterator[dict[str, str]]:
    """Pairs of the scan left out of the training, with landmarks drawn in the lungs; prints how far those move."""
    grid = CaseGrid(SPACING, SIZE, region="lungs")
    case = LoadScansd("image")({"image": str(chest_ct / "images" / f"{REPORTED}.nii.gz")})
    case = CaseGridd("image", grid, "mask")(BoreMaskd("image")(case))
    scan, mask = (case[key].as_tensor().float()[None] for key in ("image", "mask"))
    affine = case["image"].affine.numpy()
    distances = []
    for number in range(SYNTHETIC):
        generator = torch.Generator().manual_seed(number)
        augmentation = [spline.draw(SIZE, 1, generator) for spline in AUGMENTATION]
        motion = [spline.draw(SIZE, 1, generator) for spline in MOTION]
        pair = deformed_pair(scan, augmentation, motion, SIZE, mask, -1000.0)
        lungs = (pair.fixed_image < AIR) & (pair.mask > 0.99) & _in_box(SIZE)
        chosen = _draw(lungs[0, 0].numpy(), number)
        shift = (compose_splines(motion, SIZE) - identity_grid(SIZE))[0].numpy()
        steps = np.stack([component[tuple(chosen.T)] for component in shift], axis=1)
        partners = chosen + steps
        distances.append(np.linalg.norm(steps * SPACING, axis=1))
        name = f"synthetic_{number:02d}"
        files = {"pair": name}
        for side, image, points in (("fixed", pair.fixed_image, chosen), ("moving", pair.moving_image, partners)):
            files[f"{side}_image"] = str(folder / f"{name}_{side}.nii.gz")
            files[f"{side}_keypoints"] = str(folder / f"{name}_{side}.csv")
            nib.save(nib.Nifti1Image(image[0, 0].numpy().astype(np.int16), affine), files[f"{side}_image"])
            world = apply_affine(np.diag([-1, -1, 1, 1]) @ affine, points)  # LPS
            Path(files[f"{side}_keypoints"]).write_text(format_points("points.csv", torch.as_tensor(world)))
        for side, image in (("fixed", lungs.float()), ("moving", (pair.moving_image < AIR) & _in_box(SIZE))):
            files[f"{side}_label"] = str(folder / f"{name}_{side}_lungs.nii.gz")
            nib.save(nib.Nifti1Image(image[0, 0].numpy().astype(np.uint8), affine), files[f"{side}_label"])
        yield files
    print(f"landmarks move by {np.mean(distances):.2f} mm, {np.max(distances):.2f} at most")


def _in_box(size: tuple[int, ...]) -> torch.Tensor:
    """Places that are not near the end of the grid."""
    inner = torch.zeros(1, 1, *size, dtype=torch.bool)
    x, y, z = (slice(n // 16, n - n // 16) for n in size)
    inner[:, :, x, y, z] = True
    return inner


def _draw(lungs: NDArray, seed: int) -> NDArray:
    places = np.argwhere(lungs)
    return places[np.random.default_rng(seed).choice(len(places), LANDMARKS, replace=False)]


def phantom_pairs(folder: Path) -> Iterator[dict[str, str]]:
    """Breathing chests."""
    for seed in REPORTED_PHANTOMS:
        name = f"phantom_{seed:02d}"
        paths = write_phantom(chest_phantom(seed=seed), folder / name)
        yield {"pair": name} | {key: str(path) for key, path in paths.items() if key != "displacement"}


def summarize(folder: Path) -> None:
    """Print a row for each kind of pair: the paper's mean and deviation over all landmarks, folds, seconds."""
    kinds: dict[str, list[dict]] = {}
    for path in sorted(folder.glob("*/metrics.json")):
        kind = "synthetic" if "synthetic" in path.parent.name else "phantoms"
        kinds.setdefault(kind, []).append(json.loads(path.read_text()))
    for kind, found in kinds.items():
        points = [point for metrics in found for point in metrics["tre_mm"]["per_point"] if point["after"] is not None]
        before, after = (np.array([point[moment] for point in points]) for moment in ("before", "after"))
        folds = np.mean([metrics["folding_percent"] for metrics in found])
        seconds = np.mean([metrics["seconds"]["total"] for metrics in found])
        print(f"{folder.name}, {kind}: {len(found)} pairs, {len(points)} landmarks, TRE {before.mean():.2f}"
              f"±{before.std():.2f} mm before, {after.mean():.2f}±{after.std():.2f} mm after, folding {folds:.3f} %, "
              f"{seconds:.1f} s")  # fmt: skip


if __name__ == "__main__":
    main()
