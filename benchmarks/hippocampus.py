"""A row of paper 001's Table 1 from registered pairs, in the definitions of the paper and in those of the bundles.

`python benchmarks/hippocampus.py NAME pairs.csv result`

`result` is what `inference.json` wrote for the list of pairs. The paper has the mean of the lowest 30 % of Dice, the
Hausdorff distance by area, and the logarithm of the Jacobian determinant plus 15; in brackets stand the 30th percentile
of Dice, and what the bundles write into `metrics.json`.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import mean

import numpy as np

from common.data import read_pairs
from common.engines import one_sentence
from common.io import grid_of, read_field, read_scan
from common.metrics import dice30, dice_per_label, surface_distance_per_label
from common.metrics.jacobian import CROP
from common.spatial import displacement_from_world, folding_percent, jacobian_determinant, sdlogj

COLUMNS = ("", "n", "Dice", "Dice30 (percentile)", "HD95 by area (by voxel)", "SDlogJ + 15 (+ 3)", "folding %")
HEADER = f"| {' | '.join(COLUMNS)} |\n" + "|---" * len(COLUMNS) + "|"
RELEASED_SHIFT = 15.0


def measure(pair: Mapping[str, str], folder: Path) -> list[float]:
    """Measure one pair: Dice, both distances, both deviations, folding."""
    fixed = read_scan(pair["fixed_label"], label=True)
    warped = read_scan(folder / "warped_label.nii.gz", label=True)
    spacing = grid_of(fixed).spacing.tolist()
    labels = [dice_per_label(warped[0], fixed[0])]
    for distance in ("hausdorff_95", "robust_hausdorff_95"):
        labels.append(surface_distance_per_label(fixed[0], warped[0], spacing, measure=distance))
    field = read_field(folder / "displacement_field.nii.gz")
    determinant = jacobian_determinant(displacement_from_world(field.displacement, field.grid.affine), crop=CROP)
    fields = [sdlogj(determinant), sdlogj(determinant, RELEASED_SHIFT), folding_percent(determinant)]
    return [mean(values.values()) for values in labels] + [float(value) for value in fields]


def row(name: str, pairs: str, result: str) -> str:
    """Average all pairs."""
    measures = np.array([measure(pair, Path(result) / pair["pair"]) for pair in read_pairs(pairs)])
    dice, hd95, by_area, rough, released, folding = measures.mean(axis=0)
    lowest, percentile = dice30(measures[:, 0]), dice30(measures[:, 0], percentile=True)
    cells = [name, str(len(measures)), f"{dice:.3f}", f"{lowest:.3f} ({percentile:.3f})", f"{by_area:.2f} ({hd95:.2f})"]
    return "| " + " | ".join([*cells, f"{released:.3f} ({rough:.3f})", f"{folding:.3f}"]) + " |"


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    with one_sentence():
        print(HEADER)
        print(row(*sys.argv[1:]))
