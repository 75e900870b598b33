"""Registers the ten COPDgene pairs of key points and compares the errors at their landmarks; see README.md.

python -m common prepare copd_points --source ../shared/data/copd_lung_points --output points
OMP_NUM_THREADS=1 python benchmarks/key_points.py points [--checkpoint model.pt]
"""

import resource
import time
from collections.abc import Sequence
from pathlib import Path

import fire
import torch

from common.data import read_pairs
from common.engines import key_point_preprocessing
from common.io import load_weights
from common.metrics import target_registration_error
from common.networks.nets import PointRegistrationNet
from common.spatial import scattered_spline
from common.transforms import CaseGrid

SCALE_MM = (168.0, 96.0, 130.0)


def compare(folder: str, checkpoint: str | None = None, seed: int = 0) -> None:
    """Print the errors before and after, and the seconds of the network, of every pair and on average."""
    torch.manual_seed(seed)
    network = PointRegistrationNet().eval()
    if checkpoint is not None:
        load_weights(network, checkpoint)
    load, scale = key_point_preprocessing(CaseGrid(), SCALE_MM, "none"), torch.tensor(SCALE_MM, dtype=torch.float64)
    rows = []
    print("| pair | fixed, moving points | before | after | wall | CPU |\n|---|---|---|---|---|---|")
    for pair in read_pairs(Path(folder) / "pairs.csv"):
        data = load(pair)
        wall, cpu = time.perf_counter(), time.process_time()
        with torch.no_grad():
            moved = network(data["image"][None])[0] * scale
        seconds = time.perf_counter() - wall, time.process_time() - cpu
        cloud, fixed, moving = (data[key] for key in ("fixed_cloud", "fixed_keypoints", "moving_keypoints"))
        warped = fixed + scattered_spline(cloud / scale, moved, fixed / scale)
        errors = [float(target_registration_error(points, moving).mean()) for points in (fixed, warped)]
        rows.append((*errors, *seconds))
        counts = f"{len(cloud)}, {len(data['moving_cloud'])}"
        print(f"| {pair['pair']} | {counts} | {_row(rows[-1])} |")
    means = torch.tensor(rows).mean(0).tolist()
    print(f"| mean | | {_row(means)} |")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


def _row(numbers: Sequence[float]) -> str:
    return "{:.2f} mm | {:.2f} mm | {:.1f} s | {:.1f} s".format(*numbers)


if __name__ == "__main__":
    fire.Fire(compare)
