"""Do random features register? Dice after the pre-alignment alone, and after the untrained pipeline of paper 003.

`python benchmarks/random_features.py pairs.csv --output random.csv [--seeds 0 1] [--options window=[0,255] ...]`
"""

import argparse
import csv
import json
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.transforms import Compose
from monai.utils import set_determinism

from common.data import read_pairs
from common.metrics import dice_per_label, jacobian_summary
from common.spatial import displacement_from_world
from common.transforms import NativeFieldd, WarpToFixedd, field_of

CONFIGS = Path(__file__).parents[1] / "bundles" / "abdomen_ct_self_training" / "configs"
FILES = [str(CONFIGS / "inference.json"), str(CONFIGS / "variants" / "paper.json")]


def measure(data: dict, pred: torch.Tensor) -> dict[str, float]:
    """Mean Dice of the labels both scans have, and the deformation, on the fixed scan's grid."""
    done: Any = Compose([NativeFieldd("pred"), WarpToFixedd("moving_label")])({**data, "pred": pred})
    maps = [done[key].as_tensor()[0] for key in ("fixed_label", "moving_label", "warped_label")]
    labels = sorted((set(maps[0].unique().tolist()) & set(maps[1].unique().tolist())) - {0})
    scores = dice_per_label(maps[2], maps[0], labels)
    field = field_of(done["displacement_field"])
    summary = jacobian_summary(displacement_from_world(field.displacement, field.grid.affine))
    return {"dice": sum(scores.values()) / len(scores), **{k: float(summary[k]) for k in ("folding_percent", "sdlogj")}}


def rows(pair: dict, seeds: list[int], options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """One row a seed of one pair."""
    parser = ConfigParser(ConfigParser.load_config_files(FILES))
    parser.update(options)
    data: Any = parser.get_parsed_content("preprocessing")(pair)
    image = data["image"].as_tensor()[None]
    aligned = measure(data, torch.zeros_like(image[0, :1]).repeat(image.ndim - 2, *[1] * (image.ndim - 2)))
    for seed in seeds:
        parser.parse(reset=True)
        set_determinism(seed)
        network, start = parser.get_parsed_content("network_def").eval(), perf_counter()
        with torch.no_grad():
            pred = network(image)[0]
        result = measure(data, pred) | {"seconds": perf_counter() - start}
        yield {"pair": pair["pair"], "seed": seed, "dice_aligned": aligned["dice"], **result}


def main() -> None:
    """Measure pair after pair, write what there is after each, and print the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs")
    parser.add_argument("--output", required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--count", type=int, help="most pairs")
    parser.add_argument("--options", nargs="*", default=[], help="of the overlay, as window=[0,255]")
    arguments = parser.parse_args()
    options = {name: json.loads(value) for name, _, value in (option.partition("=") for option in arguments.options)}
    results: list[dict[str, Any]] = []
    for pair in read_pairs(arguments.pairs)[: arguments.count]:
        for row in rows(pair, arguments.seeds, options):
            results.append(row)
            print(*(f"{v:.3f}" if isinstance(v, float) else v for v in row.values()), flush=True)
            with open(arguments.output, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, row)
                writer.writeheader()
                writer.writerows(results)
    for name in ("dice_aligned", "dice", "folding_percent", "sdlogj", "seconds"):
        print(name, f"{sum(row[name] for row in results) / len(results):.3f}")


if __name__ == "__main__":
    main()
