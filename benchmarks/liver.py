"""The comparison of liver_ct_curriculum: one network, one set of livers, several ways to train it.

`python benchmarks/liver.py crops abdomen_ct livers` cuts 20 abdominal CT to their livers as the paper's data are and
writes two lists: `dataset.json`, the `--datalist` of training and evaluation, and `pairs.csv`, that of inference with
the pairs that are reported. The division was made before the first run.
`python benchmarks/liver.py table evaluations` compares evaluations in the folders `REGIME_SEED` of one folder, of any
bundle; the pairs of several evaluations in one `REGIME_SEED`, such as of patients held out, are taken together.

The scans (see the bundle's page) have 8-bit gray values in place of Hounsfield units: they are spread over the window,
so that the bundle's own normalization gives them back.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from monai.data import MetaTensor

from common.data.liver_sets import LIST, WINDOW, cut_to_liver
from common.engines import one_sentence
from common.io import InputError, read_scan, read_table, write_nifti, write_table
from common.metrics import wilcoxon_p

EVALUATION = ("case02", "case07", "case11", "case17", "case23", "case28")  # reported once: 30 ordered pairs
VALIDATION = ("case05", "case14", "case26")  # choose weights and settings: 6 ordered pairs
LIVER = 6
GRAY_VALUES = 255
BASELINE = "baseline"
COLUMNS = ("dice_after", "jaccard_after", "dice_before", "jaccard_before", "folding_percent", "sdlogj")


def crops(abdomen_ct: str, livers: str) -> str:
    """Cut every scan to the box of its label and list it."""
    output = Path(livers)
    listed: dict[str, list[dict[str, str]]] = {"training": [], "validation": [], "evaluation": []}
    paths = sorted((Path(abdomen_ct) / "images").glob("*.nii.gz"))
    if not paths:
        raise FileNotFoundError(f"There are no scans in {Path(abdomen_ct) / 'images'}.")
    for path in paths:
        name = path.name.split(".")[0]
        scan = read_scan(path)
        spread = WINDOW[0] + scan.as_tensor() * ((WINDOW[1] - WINDOW[0]) / GRAY_VALUES)
        label = read_scan(path.parent.parent / "labels" / path.name, label=True)
        liver = MetaTensor(label.as_tensor() == LIVER, affine=label.affine)
        case = {kind: f"{kind}s/{path.name}" for kind in ("image", "label")}
        cut = cut_to_liver(MetaTensor(spread, affine=scan.affine), liver)
        for file, crop in zip(case.values(), cut, strict=True):
            write_nifti(output / file, crop[0].numpy(), crop.affine.numpy())
        part = "evaluation" if name in EVALUATION else "validation" if name in VALIDATION else "training"
        listed[part].append(case)
    (output / LIST).write_text(json.dumps(listed, indent=4) + "\n")
    sides = [zip(("fixed", "moving"), pair, strict=True) for pair in permutations(listed["evaluation"], 2)]
    rows = [{f"{side}_{kind}": file for side, case in pair for kind, file in case.items()} for pair in sides]
    write_table(output / "pairs.csv", rows)
    return "\n".join(f"{part}: {len(cases)} scans" for part, cases in listed.items())


def table(evaluations: str) -> str:
    """Mean over pairs and seeds, deviation over seeds, and the paired test of each regime against the baseline."""
    regimes: dict[str, dict[str, Any]] = defaultdict(lambda: defaultdict(dict))
    for path in sorted(Path(evaluations).glob("*_*/**/pairs.csv")):
        regime, seed = path.relative_to(evaluations).parts[0].rsplit("_", 1)
        regimes[regime][seed] |= {row["pair"]: row for row in read_table(path)[1]}
    if BASELINE not in regimes:
        raise InputError(f"{evaluations} is expected to have an evaluation {BASELINE}_SEED/pairs.csv.")
    measured = next(iter(next(iter(regimes[BASELINE].values())).values()))
    columns = [column for column in COLUMNS if column in measured]
    lines = [f"| regime | seeds | {' | '.join(columns)} | p (Dice) |", "|---" * (len(columns) + 3) + "|"]
    for regime, seeds in sorted(regimes.items(), key=lambda item: (item[0] != BASELINE, item[0])):
        cells = []
        for column in columns:
            means = [np.mean([float(row[column]) for row in rows.values()]) for rows in seeds.values()]
            cells.append(f"{np.mean(means):.4f} ± {np.std(means, ddof=1) if len(means) > 1 else np.nan:.4f}")
        lines.append(f"| {regime} | {len(seeds)} | {' | '.join(cells)} | {_against_baseline(regimes, regime)} |")
    return "\n".join(lines)


def _against_baseline(regimes: dict[str, dict[str, Any]], regime: str) -> str:
    """Wilcoxon's signed-rank test over pairs; the Dice of a pair is its mean over the seeds that both have."""
    shared = sorted(regimes[regime].keys() & regimes[BASELINE].keys())
    if regime == BASELINE or not shared:
        return ""
    gains = []
    for pair in regimes[BASELINE][shared[0]]:
        both = [[float(regimes[name][seed][pair]["dice_after"]) for seed in shared] for name in (regime, BASELINE)]
        gains.append(float(np.mean(both[0]) - np.mean(both[1])))
    return f"{wilcoxon_p(gains):.2g}"


if __name__ == "__main__":
    commands: dict[str, Callable[..., str]] = {"crops": crops, "table": table}
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        raise SystemExit(__doc__)
    with one_sentence():
        print(commands[sys.argv[1]](*sys.argv[2:]))
