"""The ten COPDgene pairs of key points: the network untrained, and trained in five folds by each strategy of paper 003.

    python -m common prepare copd_points --source ../shared/data/copd_lung_points --output points
    OMP_NUM_THREADS=1 python benchmarks/key_points.py compare points [--checkpoint model.pt]
    OMP_NUM_THREADS=1 python benchmarks/key_points.py train points runs [--strategy rigid] [--folds 0,1] [--small]
    python benchmarks/key_points.py table runs

Of `train`, which goes on where it stopped, each fold keeps two pairs from the training, which are registered by the
weights of its last epoch: nothing is chosen by them. See README.md.
"""

import json
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fire
import numpy as np
import torch
from monai.bundle import run

from common.data import read_pairs
from common.engines import key_point_preprocessing, one_sentence
from common.handlers import newest_checkpoint
from common.io import InputError, load_weights, read_table, save_text
from common.metrics import target_registration_error
from common.networks.nets import PointRegistrationNet
from common.spatial import scattered_spline
from common.transforms import CaseGrid

BUNDLE = Path(__file__).parents[1] / "bundles" / "abdomen_ct_self_training"
SCALE_MM = (168.0, 96.0, 130.0)
HELD_OUT = 2  # pairs of a fold
REPORTED = {"cycle": 1.93, "landmarks": 2.27, "rigid": 2.98, "random_field": 3.19, "metric": 6.79}  # mm; before 11.99


def compare(folder: str, checkpoint: str | None = None, seed: int = 0) -> None:
    """Print the errors before and after, and the seconds of the network, of every pair and on average.

    In between stands what the evaluation, a smoothing spline through the key points, leaves of displacements that are
    those of the landmarks.
    """
    torch.manual_seed(seed)
    network = PointRegistrationNet().eval()
    if checkpoint is not None:
        load_weights(network, checkpoint)
    load, scale = key_point_preprocessing(CaseGrid(), SCALE_MM, "none"), torch.tensor(SCALE_MM, dtype=torch.float64)
    rows = []
    print(f"| pair | fixed, moving points | before | landmarks | after | wall | CPU |\n{'|---' * 7}|")
    for pair in read_pairs(Path(folder) / "pairs.csv"):
        data = load(pair)
        wall, cpu = time.perf_counter(), time.process_time()
        with torch.no_grad():
            moved = network(data["image"][None])[0] * scale
        seconds = time.perf_counter() - wall, time.process_time() - cpu
        cloud, fixed, moving = (data[key] for key in ("fixed_cloud", "fixed_keypoints", "moving_keypoints"))
        known = scattered_spline(fixed / scale, moving - fixed, cloud / scale, smoothing=0.0)
        steps = (torch.zeros_like(moved), known, moved)
        warped = [fixed + scattered_spline(cloud / scale, step.double(), fixed / scale) for step in steps]
        errors = [float(target_registration_error(points, moving).mean()) for points in warped]
        rows.append((*errors, *seconds))
        counts = f"{len(cloud)}, {len(data['moving_cloud'])}"
        print(f"| {pair['pair']} | {counts} | {_row(rows[-1])} |")
    means = torch.tensor(rows).mean(0).tolist()
    print(f"| mean | | {_row(means)} |")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def _row(numbers: Sequence[float]) -> str:
    return "{:.2f} mm | {:.2f} mm | {:.2f} mm | {:.1f} s | {:.1f} s".format(*numbers)


def train(
    folder: str,
    runs: str,
    strategy: str = "cycle",
    folds: int | Sequence[int] = (0, 1, 2, 3, 4),
    small: bool = False,
    **options: Any,
) -> None:
    """Train and evaluate folds that are not done yet, in `runs`/`strategy`/fold=N; further options are the bundle's."""
    if strategy not in REPORTED:
        raise InputError(f"--strategy is expected to be one of {', '.join(REPORTED)}, got {strategy}.")
    overlays = ["small"] * small + [strategy] * (strategy != "cycle")
    configs = ["train_keypoints", *(f"variants/{name}_keypoints" for name in overlays)]
    pairs = read_pairs(Path(folder).resolve() / "pairs.csv")
    for fold in [folds] if isinstance(folds, int) else folds:
        output = Path(runs) / strategy / f"fold={fold}"
        if (output / "pairs.csv").is_file():
            continue
        held = range(HELD_OUT * fold, HELD_OUT * (fold + 1))
        lists = {
            "datalist": [pair for number, pair in enumerate(pairs) if number not in held],
            "validation_datalist": [pairs[number] for number in held],
        }
        for name, chosen in lists.items():
            save_text(output / f"{name}.json", json.dumps(chosen, indent=4))
        files = {name: str(output / f"{name}.json") for name in lists}
        common = {"output_dir": str(output), "device": "cpu", **files, **options}
        _run(configs, resume=True, **common)
        _run([*configs, "evaluate_keypoints"], checkpoint=str(newest_checkpoint(output / "checkpoints")), **common)


def _run(names: Sequence[str], **options: Any) -> None:
    configs = BUNDLE / "configs"
    run(
        config_file=[str(configs / f"{name}.json") for name in names],
        meta_file=str(configs / "metadata.json"),
        logging_file=str(configs / "logging.conf"),
        bundle_root=str(BUNDLE),
        **options,
    )


def table(runs: str) -> None:
    """Print the errors of every pair after each strategy, their means, and what happened from stage to stage."""
    results = {name: _errors(Path(runs) / name) for name in REPORTED if (Path(runs) / name).is_dir()}
    if not results:
        raise InputError(f"{runs} is expected to have a folder {' or '.join(REPORTED)}.")
    print(f"| pair | before | {' | '.join(results)} |\n{'|---' * (len(results) + 2)}|")
    before = {pair: errors[0] for found in results.values() for pair, errors in found.items()}
    for pair in sorted(before):
        cells = [f"{found[pair][1]:.2f}" if pair in found else "" for found in results.values()]
        print(f"| {pair} | {before[pair]:.2f} | {' | '.join(cells)} |")
    means = [f"{np.mean([after for _, after in found.values()]):.2f} ({len(found)})" for found in results.values()]
    print(f"| mean (pairs) | {np.mean(list(before.values())):.2f} | {' | '.join(means)} |")
    print(f"| reported | 11.99 | {' | '.join(f'{REPORTED[name]:.2f}' for name in results)} |")
    for name in results:
        for path in sorted((Path(runs) / name).glob("fold=*/metrics.csv")):
            stages = {row["stage"]: row["val_tre_mm"] for row in read_table(path)[1] if row.get("val_tre_mm")}
            print(f"{name}, {path.parent.name}, stage by stage:", *(f"{float(error):.2f}" for error in stages.values()))


def _errors(folder: Path) -> dict[str, tuple[float, float]]:
    """Before and after, by pair, of the folds that are done."""
    found = {}
    for path in folder.glob("fold=*/pairs.csv"):
        for row in read_table(path)[1]:
            found[row["pair"].split("_")[1]] = float(row["tre_before_mm"]), float(row["tre_mm"])
    return found


if __name__ == "__main__":
    with one_sentence():
        fire.Fire({"compare": compare, "train": train, "table": table})
