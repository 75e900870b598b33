"""Every kind of pair under one setting, beside other programs: what chooses does not report.

    python benchmarks/choose.py pairs DATA PAIRS
    python benchmarks/choose.py run ours PAIRS/choosing ours.json
    python benchmarks/choose.py run ours PAIRS/choosing smoother.json --options '{"regularization": 200}'
    python benchmarks/choose.py run greedy PAIRS/choosing greedy.json
    python benchmarks/choose.py table PAIRS/choosing greedy.json ours.json smoother.json

The first writes the pairs of `choose_pairs.py` and their lists, the next register one part with the training-free
bundle or with a program of `peers.py`, and the last prints the means of every kind. `reported` holds what the pages
quote of the part for reporting.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import peers
import torch
from choose_pairs import write_pairs
from monai.bundle import run

from common.data import read_pairs
from common.engines import one_sentence, sentence
from common.io import read_json, save_text

BUNDLE = Path(__file__).parents[1] / "bundles" / "abdomen_ct_self_training"
OURS = "ours"
PERCENTILE = 95
CELLS = {  # column: how its number is found in the metrics of a pair, and digits
    "Dice before": (lambda metrics: metrics["dice"]["before"], 3),
    "Dice": (lambda metrics: metrics["dice"]["after"], 3),
    "TRE before": (lambda metrics: metrics["tre_mm"]["before"], 2),
    "TRE": (lambda metrics: metrics["tre_mm"]["after"], 2),
    "TRE95": (lambda metrics: np.percentile(_errors(metrics), PERCENTILE), 2),
    "folding %": (lambda metrics: metrics["folding_percent"], 3),
    "SDlogJ": (lambda metrics: metrics["sdlogj"], 3),
    "CPU s": (lambda metrics: metrics["cpu_seconds"], 1),
}


def main() -> None:
    """Write pairs, register them, or print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    pairs = commands.add_parser("pairs", help="write the pairs and their two lists")
    pairs.add_argument("data", type=Path)
    pairs.add_argument("output", type=Path)
    register = commands.add_parser("run", help="register a list; a rerun goes on where it stopped")
    register.add_argument("program", choices=(OURS, *peers.PROGRAMS))
    register.add_argument("pairs", type=Path)
    register.add_argument("output", type=Path)
    register.add_argument("--overlays", nargs="*", default=[], help="of the bundle, as its page names them")
    register.add_argument("--options", type=json.loads, default={}, help="of the bundle, as JSON")
    table = commands.add_parser("table", help="means of every kind")
    table.add_argument("pairs", type=Path)
    table.add_argument("results", type=Path, nargs="+")
    arguments = parser.parse_args()
    with one_sentence():
        if arguments.command == "pairs":
            write_pairs(arguments.data, arguments.output)
        elif arguments.command == "run":
            register_all(arguments.program, arguments.pairs, arguments.output, arguments.overlays, arguments.options)
        else:
            print(table_of(arguments.pairs, arguments.results))


def register_all(program: str, pairs: Path, output: Path, overlays: list[str], options: dict[str, Any]) -> None:
    """Keep the metrics of every pair, in the order of the list."""
    torch.set_num_threads(1)
    setting = {"program": program, "overlays": overlays, "options": options}
    results: dict[str, Any] = read_json(output) if output.is_file() else dict(setting)
    if any(results.get(key) != value for key, value in setting.items()):
        raise ValueError(f"{output} is of another program, other overlays or other options: choose another file.")
    for name, pair in pairs_of(pairs):
        if name not in results:
            begin = time.process_time()
            try:
                metrics = ours(pair, overlays, options) if program == OURS else peers.metrics_of(program, pair, 1)
                results[name] = cells_of(metrics | {"cpu_seconds": time.process_time() - begin})
            except (ValueError, RuntimeError, OSError, MemoryError) as error:
                results[name] = {"error": sentence(error)}
            save_text(output, json.dumps(results, indent=2))
            print(name, *(f"{key} {value}" for key, value in results[name].items() if value is not None), flush=True)


def cells_of(metrics: dict[str, Any]) -> dict[str, float | None]:
    """The numbers of a table's row; None for a kind without landmarks or labels, or a field that is not trusted."""
    cells: dict[str, float | None] = {}
    for column, (value, digits) in CELLS.items():
        try:
            cells[column] = round(float(value(metrics)), digits + 2)
        except (KeyError, TypeError):
            cells[column] = None
    return cells


def pairs_of(part: Path) -> list[tuple[str, dict[str, Any]]]:
    """The pairs of a part by their names, kind/pair."""
    lists = sorted(part.glob("*.csv"))
    return [(f"{path.stem}/{pair['pair']}", pair) for path in lists for pair in read_pairs(path)]


def ours(pair: dict[str, Any], overlays: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """What the bundle writes of one pair."""
    with tempfile.TemporaryDirectory() as folder:
        one = {key: value for key, value in pair.items() if key != "pair"}
        files = ["inference.json", *(f"variants/{overlay}.json" for overlay in overlays)]
        run(
            config_file=[str(BUNDLE / "configs" / file) for file in files],
            bundle_root=str(BUNDLE),
            output_dir=folder,
            **one,
            **options,
        )
        return dict(read_json(Path(folder) / "metrics.json"))


def table_of(part: Path, files: list[Path]) -> str:
    """Rows of Markdown: for each kind, the means of each program over the pairs that all registered.

    A program that registered none of a kind has no row there.
    """
    results = {path.stem: read_json(path) for path in files}
    lines = [["kind", "pairs", "program", *CELLS], ["---"] * (len(CELLS) + 3)]
    names = [name for name, _ in pairs_of(part)]
    for kind in dict.fromkeys(name.split("/")[0] for name in names):
        of_kind = [name for name in names if name.startswith(f"{kind}/")]
        able = {program: found for program, found in results.items() if any(_done(found, name) for name in of_kind)}
        shared = [name for name in of_kind if all(_done(found, name) for found in able.values())]
        for program, found in able.items():
            cells = [_mean([found[name][column] for name in shared], digits) for column, (_, digits) in CELLS.items()]
            lines.append([kind, str(len(shared)), program, *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shared_pairs(part: Path, results: list[dict[str, Any]]) -> list[str]:
    """The pairs of a part that all results have."""
    return [name for name, _ in pairs_of(part) if all(_done(found, name) for found in results)]


def _done(found: dict[str, Any], name: str) -> bool:
    return "Dice" in found.get(name, {})


def _mean(numbers: list[float | None], digits: int) -> str:
    return "" if None in numbers or not numbers else f"{np.mean(numbers):.{digits}f}"  # type: ignore[arg-type]


def _errors(metrics: dict[str, Any]) -> list[float]:
    return [point["after"] for point in metrics["tre_mm"]["per_point"] if point["after"] is not None]


if __name__ == "__main__":
    main()
