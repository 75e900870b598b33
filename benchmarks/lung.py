"""Registrations of the lung bundle on pairs nothing was trained on, see the bundle's `README.md`."""

import argparse
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import peers
import torch
from lung_pairs import CHOOSING, CHOOSING_SEEDS, KINDS, phantom_pairs, synthetic_pairs
from lung_split import REPORTED, REPORTED_PHANTOMS

from common.data import read_pairs
from common.engines import one_sentence
from common.io import save_text, write_table
from common.metrics import wilcoxon_p

PHANTOM = "phantom"
BINS = (0, 10, 20, 40, np.inf)  # mm that landmarks move
COLUMNS = ("", "pairs", "landmarks", "TRE before", "TRE after", "of the baseline's", "p", "folding in lungs %", "s")


def main() -> None:
    """Write pairs, register them with another program, or sum up what was registered."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    pairs = commands.add_parser("pairs", help="write the pairs and pairs.csv")
    pairs.add_argument("chest_ct", type=Path)
    pairs.add_argument("output", type=Path)
    pairs.add_argument("--choosing", action="store_true", help="those that choose, in place of those reported")
    peer = commands.add_parser("peer", help="register with another program; a rerun skips what is complete")
    peer.add_argument("program", choices=peers.PROGRAMS)
    peer.add_argument("pairs", type=Path)
    peer.add_argument("output", type=Path)
    peer.add_argument("--threads", type=int, default=1)
    table = commands.add_parser("table", help="rows of the landmarks' errors, of folders of results")
    table.add_argument("results", type=Path, nargs="+")
    arguments = parser.parse_args()
    with one_sentence():
        if arguments.command == "pairs":
            arguments.output.mkdir(parents=True, exist_ok=True)
            name, kinds, seeds = (
                (*CHOOSING, CHOOSING_SEEDS) if arguments.choosing else (REPORTED, KINDS, REPORTED_PHANTOMS)
            )
            made = [*synthetic_pairs(arguments.chest_ct, arguments.output, name, kinds)]
            made += phantom_pairs(arguments.output, seeds)
            write_table(arguments.output / "pairs.csv", made)
        elif arguments.command == "peer":
            register(arguments.program, arguments.pairs, arguments.output, arguments.threads)
        else:
            print(tables(arguments.results))


def register(program: str, pairs: Path, output: Path, threads: int) -> None:
    """Register and measure every pair that is not there yet, each in a folder as a bundle makes it."""
    torch.set_num_threads(threads)
    for pair in read_pairs(pairs):
        record = output / pair["pair"] / "metrics.json"
        if not record.is_file():
            metrics = peers.metrics_of(program, pair, threads)
            record.parent.mkdir(parents=True, exist_ok=True)
            save_text(record, json.dumps(metrics, indent=2))
            print(pair["pair"], metrics["tre_mm"] and metrics["tre_mm"]["after"], metrics["seconds"], flush=True)


def tables(folders: list[Path]) -> str:
    """A table of each kind of pair: the paper's mean and deviation over all landmarks, and by how far those move."""
    lines: list[str] = []
    for kind in (*KINDS, PHANTOM):
        found = {folder.name: read(folder, kind) for folder in folders}
        found = {name: results for name, results in found.items() if results}
        if found:
            by_distance = [f"{low}-{high} mm" for low, high in pairwise(BINS)]
            header = [kind, *COLUMNS[1:], *by_distance]
            lines += ["", _line(header), _line(["---"] * len(header))]
            lines += [_line([name, *_row(name, found)]) for name in found]
    return "\n".join(lines)


def read(folder: Path, kind: str) -> dict[str, dict[str, Any]]:
    """What was measured of each pair of a kind, by its name, which is that of its files."""
    paths = {path.parent.name: path for path in sorted(folder.glob("*/metrics.json"))}
    kinds = {name: next((known for known in KINDS if known in name), PHANTOM) for name in paths}
    return {name: json.loads(path.read_text()) for name, path in paths.items() if kinds[name] == kind}


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _row(name: str, found: dict[str, dict[str, dict[str, Any]]]) -> list[str]:
    results = found[name]
    before, after = np.concatenate([_errors(metrics) for metrics in results.values()], axis=1)
    folds = [metrics["folding_inside_percent"] for metrics in results.values()]
    seconds = np.mean([metrics["seconds"]["total"] for metrics in results.values()])
    cells = [str(len(results)), str(len(after)), *(f"{each.mean():.2f}±{each.std():.2f}" for each in (before, after))]
    baseline = name.replace("progressive", "baseline")
    if baseline != name and baseline in found:
        ratio, p = _against(results, found[baseline])
        cells += [f"{ratio:.2f}", f"{p:.2g}"]
    else:
        cells += ["", ""]
    known = [fold for fold in folds if fold is not None]
    cells += [f"{np.mean(known):.3f}" if known else "", f"{seconds:.1f}"]
    for low, high in pairwise(BINS):
        part = after[(before >= low) & (before < high)]
        cells.append(f"{part.mean():.2f} ({len(part)})" if len(part) else "")
    return cells


def _errors(metrics: dict[str, Any]) -> np.ndarray:
    """Before and after, of the landmarks that were found."""
    points = [point for point in metrics["tre_mm"]["per_point"] if point["after"] is not None]
    return np.array([[point[moment] for point in points] for moment in ("before", "after")])


def _against(results: dict[str, Any], baseline: dict[str, Any]) -> tuple[float, float]:
    """Ratio of the errors of all landmarks, and the paper's test that the errors of pairs are smaller, one-sided."""
    shared = sorted(results.keys() & baseline.keys())
    ours, theirs = ([_errors(each[pair])[1] for pair in shared] for each in (results, baseline))
    differences = [float(a.mean() - b.mean()) for a, b in zip(ours, theirs, strict=True)]
    return np.concatenate(ours).mean() / np.concatenate(theirs).mean(), wilcoxon_p(differences, "less")


if __name__ == "__main__":
    main()
