"""Figures 5B, 7 and 9 of paper 002 from a training and its registrations; see the bundle's `README.md`.

`python benchmarks/lung_figures.py snapshots RUN pairs.csv --overlays baseline --output curve/metrics.csv`
`python benchmarks/lung_figures.py levels CHECKPOINT pairs.csv --output levels.png`
`python benchmarks/lung_figures.py correlation result pairs.csv --output correlation.png`
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lung_plots import correlation_figure, levels_figure
from monai.bundle import ConfigParser
from torch import Tensor

from common.data import read_pairs
from common.engines import one_sentence, registration_preprocessing
from common.io import grid_of, load_weights, read_field, read_points, write_table
from common.metrics import target_registration_error
from common.spatial import displacement_to_world, ras_to_lps, sample, world_to_voxel
from common.transforms import CaseGrid, move_points

CONFIGS = Path(__file__).parents[1] / "bundles" / "lung_ct_progressive" / "configs"


class Study(NamedTuple):
    """What a training was set to."""

    network: Any  # a `ProgressiveUNet`
    growth: Any  # iteration to the weights of its levels
    iterations: int  # an epoch
    preprocessing: Any


def study(overlays: Sequence[str]) -> Study:
    """Read `train.json` and the overlays it was run with."""
    parser = ConfigParser()
    parser.read_config(
        [str(CONFIGS / "train.json"), *(str(CONFIGS / "variants" / f"{name}.json") for name in overlays)]
    )
    spacing, size = parser["spacing"], parser["spatial_size"]
    grid = CaseGrid(spacing, size, region="lungs", fill=0.0, normalization=parser.get_parsed_content("features"))
    network = parser.get_parsed_content("network_def").eval()
    preprocessing = registration_preprocessing(grid, initial_transform="none")
    return Study(network, parser.get_parsed_content("growth"), parser["pairs_per_epoch"], preprocessing)


class Case(NamedTuple):
    """A pair as the network sees it, and its landmarks, LPS mm."""

    image: Tensor
    affine: Tensor
    fixed: Tensor
    moving: Tensor

    def error(self, network: Any) -> Tensor:
        """Distances that are left, mm."""
        field = displacement_to_world(network(self.image), self.affine)
        places = world_to_voxel(self.fixed, ras_to_lps(self.affine)).float().T[None]
        return target_registration_error(self.fixed + sample(field, places)[0].T, self.moving)


def cases(setup: Study, pairs: Path) -> list[Case]:
    """Prepare all pairs once."""
    made = []
    for pair in read_pairs(pairs):
        data = setup.preprocessing({key: value for key, value in pair.items() if "label" not in key})
        points = (data["fixed_keypoints"].double(), data["moving_keypoints"].double())
        made.append(Case(data["image"].as_tensor()[None], grid_of(data["image"]).affine, *points))
    return made


def snapshots(setup: Study, folder: Path, prepared: Sequence[Case]) -> Iterator[dict[str, float]]:
    """Figure 5B: the error of every snapshot, of the levels that count at its iteration."""
    paths = {int(path.stem.rpartition("=")[2]): path for path in folder.glob("*_epoch=*.pt")}
    for epoch, path in sorted(paths.items()):
        load_weights(setup.network, path)
        setup.network.alpha = setup.growth(epoch * setup.iterations)
        errors = torch.cat([case.error(setup.network) for case in prepared])
        row = {"epoch": epoch, "iteration": epoch * setup.iterations, "val_tre_mm": float(errors.mean())}
        yield row | {"val_tre_mm_deviation": float(errors.std())}


def levels(setup: Study, case: Case) -> dict[str, np.ndarray]:
    """Figure 7: what each level alone answers, LPS mm."""
    count = setup.network.levels
    fields = {}
    for level in range(count):
        setup.network.alpha = [float(level == other) for other in range(count)]
        size = " x ".join(str(n // 2 ** (count - 1 - level)) for n in case.image.shape[2:])
        fields[size] = displacement_to_world(setup.network(case.image), case.affine)[0].numpy()
    return fields


def displacements(result: Path, pairs: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    """Figure 9: true and found displacement of all landmarks, `(N, 3)` each, LPS mm."""
    true, found = [], []
    for pair in pairs:
        fixed, moving = (read_points(pair[f"{side}_keypoints"]).positions.double() for side in ("fixed", "moving"))
        moved = move_points(fixed, read_field(result / pair["pair"] / "displacement_field.nii.gz"))
        known = moved.isfinite().all(dim=1)
        true.append((moving - fixed)[known])
        found.append((moved - fixed)[known])
    return torch.cat(true).numpy(), torch.cat(found).numpy()


def main() -> None:
    """Make one of the three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figure", choices=("snapshots", "levels", "correlation"))
    parser.add_argument("source", type=Path, help="folder of snapshots, a checkpoint, a folder of results")
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--overlays", nargs="*", default=[], help="those of the training")
    parser.add_argument("--pair", type=int, default=0, help="number of the pair whose levels are drawn")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    with one_sentence(), torch.no_grad():
        if arguments.figure == "correlation":
            correlation_figure(arguments.output, *displacements(arguments.source, read_pairs(arguments.pairs)))
            return
        setup = study(arguments.overlays)
        prepared = cases(setup, arguments.pairs)
        if arguments.figure == "levels":
            load_weights(setup.network, arguments.source)
            case = prepared[arguments.pair]
            spacing = tuple(case.affine[:-1, :-1].norm(dim=0).tolist())
            levels_figure(arguments.output, case.image[0, 0].numpy(), spacing, levels(setup, case))
            return
        rows = []
        for row in snapshots(setup, arguments.source, prepared):
            rows.append(row)
            print(", ".join(f"{key} {value:.6g}" for key, value in row.items()), flush=True)
            write_table(arguments.output, rows)


if __name__ == "__main__":
    main()
