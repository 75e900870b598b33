"""How well against how smooth: a panel for every kind of pair, our setting at several weights beside other programs.

    python benchmarks/choose_front.py PAIRS/choosing ours.json ours_12.json ours_200.json greedy.json --output front.png

The files are those of ``choose.py run``; ours are joined in the order of their option ``regularization``.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from choose import BUNDLE, OURS, shared_pairs
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from common.engines import one_sentence
from common.io import read_json

DEFAULT = read_json(BUNDLE / "configs" / "inference.json")["regularization"]
SMOOTHNESS = "SDlogJ"
ERROR, OVERLAP = "TRE", "Dice"  # the first where a kind has landmarks
Found = dict[str, Any]


def main() -> None:
    """Draw the front of all pairs that every file has."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    with one_sentence():
        draw_front(arguments.pairs, [read_json(path) for path in arguments.results], arguments.output)


def draw_front(part: Path, results: list[Found], path: Path) -> None:
    """One panel a kind: SDlogJ to the right, mean TRE or Dice upwards."""
    names = shared_pairs(part, results)
    kinds = {kind: [name for name in names if name.startswith(f"{kind}/")] for kind in _kinds(names)}
    figure = Figure(figsize=(4.1 * len(kinds), 3.8), layout="constrained")
    for axes, (kind, of_kind) in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds.items(), strict=True):
        ours = sorted((found for found in results if found["program"] == OURS), key=_weight)
        _draw(axes, ours, of_kind, "this bundle")
        for found in results:
            if found["program"] != OURS:
                _draw(axes, [found], of_kind, found["program"])
        axes.set(title=f"{kind}, n = {len(of_kind)}", xlabel=SMOOTHNESS)
        axes.margins(x=0.1)
        axes.set_xlim(left=0)
    figure.axes[0].legend()
    figure.savefig(path, dpi=110)


def _draw(axes: Axes, settings: list[Found], names: list[str], label: str) -> None:
    measured = ERROR if all(found[name][ERROR] is not None for found in settings for name in names) else OVERLAP
    x, y = (_means(settings, names, column) for column in (SMOOTHNESS, measured))
    axes.plot(x, y, "o-", label=label)
    axes.set_ylabel("TRE (mm)" if measured == ERROR else measured)
    for found, right, up in zip(settings, x, y, strict=True):
        if found["program"] == OURS:
            axes.annotate(f"{_weight(found):g}", (right, up), xytext=(4, 4), textcoords="offset points", fontsize=8)


def _means(settings: list[Found], names: list[str], column: str) -> list[float]:
    return [float(np.mean([found[name][column] for name in names])) for found in settings]


def _weight(found: Found) -> float:
    return float(found["options"].get("regularization", DEFAULT))


def _kinds(names: list[str]) -> list[str]:
    return list(dict.fromkeys(name.split("/")[0] for name in names))


if __name__ == "__main__":
    main()
