"""Table 1 of paper 004 on the data that is there: the variants of DIRNet and elastix, side by side on the same pairs.

`python benchmarks/dirnet.py DATASET_DIR --checkpoints runs --output dirnet.csv`

Each patient is registered by networks that were trained on the others (`train.json` with the overlays of the variant
and `small`, `--held_out <patient> --output_dir runs/<variant>/<patient>`), with the weights of their newest
checkpoint: the best one, model.pt, would have been chosen by the very pairs it is measured on. What is not there is
left out; a dense network gets the middle of the images, or all of them with `--overlays` where it was trained without
`small`. Pairs are all annotated slices, from each annotated time to the other. All methods get the same images, and
their fields warp the same labels. A method registers the pairs of a patient one after the other, then comes the next
one; with `--alternate` they take turns at every pair, which leaves caches and threads cold. Its time is that from the
images to the field. elastix does as in the paper: B-splines of 16 pixels, two resolutions, 100 iterations each,
normalized correlation; `pip install -c constraints.txt '.[peers]'`.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from itertools import permutations
from pathlib import Path
from statistics import mean, median, pstdev
from time import perf_counter
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from elastix import elastix_registration
from monai.bundle import ConfigParser
from torch import Tensor

from common.data import find_cine_slices
from common.engines import one_sentence, sentence
from common.handlers import newest_checkpoint
from common.io import write_table
from common.metrics import (
    dice_per_label,
    surface_distance_per_label,
    wilcoxon_p,
)
from common.networks.nets import DIRNet
from common.spatial import folding_percent, jacobian_determinant, warp
from common.transforms import NormalizePercentiles

BUNDLE = Path(__file__).parents[1] / "bundles" / "cardiac_mr_dirnet"
VARIANTS = ("b", "a1", "a2", "b1", "b2", "c1", "c2")
FIGURES = {"dice": 3, "sd95_mm": 2, "mad_mm": 2}  # digits
PAPER = {  # Table 1: Dice, 95thSD, MAD
    "before": ("0.62 ± 0.15", "7.79 ± 2.92", "2.89 ± 1.07"),
    "elastix": ("0.79 ± 0.08", "5.09 ± 2.36", "1.91 ± 0.94"),
    "b": ("0.79 ± 0.08", "5.20 ± 2.30", "1.92 ± 0.89"),
    "a1": ("0.78 ± 0.08", "5.26 ± 2.16", "1.95 ± 0.85"),
    "a2": ("0.78 ± 0.08", "5.30 ± 2.28", "1.97 ± 0.87"),
    "b1": ("0.72 ± 0.11", "6.41 ± 2.61", "2.40 ± 0.96"),
    "b2": ("0.78 ± 0.09", "5.48 ± 2.36", "2.01 ± 0.89"),
    "c1": ("0.80 ± 0.08", "5.03 ± 2.30", "1.83 ± 0.89"),
    "c2": ("0.76 ± 0.09", "5.55 ± 2.24", "2.10 ± 0.90"),
}
Row = dict[str, Any]


class Pair(NamedTuple):
    """Two times of a slice: images (1, 1, H, W) in [0, 1], labels (H, W), pixel size in mm."""

    name: str
    fixed: Tensor
    moving: Tensor
    fixed_label: Tensor
    moving_label: Tensor
    spacing: tuple[float, float]


Method = Callable[[Pair], Tensor]  # to a field (1, 2, H, W), voxels


def main() -> None:
    """Register, measure, write the table of all pairs and print that of the methods."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset_dir", help="folder of <patient>_image.nii.gz and <patient>_endo.nii.gz")
    parser.add_argument("--checkpoints", type=Path, required=True, help="folder of <variant>/<patient>/checkpoints")
    parser.add_argument("--output", type=Path, required=True, help="CSV with a line per pair and method")
    parser.add_argument("--methods", nargs="+", choices=("elastix", *VARIANTS), default=("elastix", *VARIANTS))
    parser.add_argument("--overlays", nargs="*", default=["variants/small"], help="behind the variant, in training")
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--alternate", action="store_true", help="take turns at every pair rather than every patient")
    parser.add_argument("--compile", metavar="BACKEND", help="of torch.compile for the networks, such as inductor")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows: list[Row] = []
    with one_sentence():
        elastix = conventional(arguments.threads) if "elastix" in arguments.methods else {}
        variants = [name for name in arguments.methods if name != "elastix"]
        for patient, pairs in read_pairs(arguments.dataset_dir).items():
            configs = [arguments.bundle / "configs" / f"{name}.json" for name in ("train", *arguments.overlays)]
            networks = trained(variants, patient, arguments.checkpoints, configs, arguments.compile)
            rows += measure_patient(patient, pairs, elastix | networks, arguments.alternate)
            write_table(arguments.output, rows)
    print(f"\n{table(rows)}\n\n{c1_against_elastix(rows)}")


def read_pairs(dataset_dir: str) -> dict[str, list[Pair]]:
    """All pairs of annotated times of one slice, both ways, by patient."""
    slices: dict[str, list[Mapping[str, Any]]] = {}
    for case in find_cine_slices(dataset_dir, held_out="none")["validation"]:
        slices.setdefault(case["cohort"], []).append(case)
    pairs: dict[str, list[Pair]] = {}
    for cohort, cases in slices.items():
        patient = cohort.rpartition(" slice ")[0]
        pairs.setdefault(patient, []).extend(_pair(*each) for each in permutations(cases, 2))
    return pairs


def _pair(fixed: Mapping[str, Any], moving: Mapping[str, Any]) -> Pair:
    first, second = (NormalizePercentiles((1, 99))(case["image"].as_tensor())[None] for case in (fixed, moving))
    labels = fixed["label"].as_tensor()[0], moving["label"].as_tensor()[0]
    height, width = fixed["image"].affine[:3, :2].norm(dim=0).tolist()
    return Pair(f"{fixed['name']}_{moving['name']}", first, second, *labels, (height, width))


def load_network(configs: Sequence[Path], variant: str, checkpoint: Path) -> DIRNet:
    """The network of a variant as the bundle defines it, with its weights."""
    parser = ConfigParser()
    train, *overlays = configs
    parser.read_config([train, train.parent / "variants" / f"{variant}.json", *overlays])
    network: DIRNet = parser.get_parsed_content("network_def")
    network.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["objects"]["network"])
    return network.eval()


def trained(
    variants: Sequence[str], patient: str, checkpoints: Path, configs: Sequence[Path], backend: str | None
) -> dict[str, Method]:
    """The networks that were trained without a patient, as far as they are there."""
    methods: dict[str, Method] = {}
    for variant in variants:
        folder = checkpoints / variant / patient / "checkpoints"
        newest = newest_checkpoint(folder)
        if newest is None:
            print(f"{variant} is left out for {patient}: there is no checkpoint in {folder}", flush=True)
        else:
            network = load_network(configs, variant, newest)
            if backend:
                network.compile(backend=backend)
            methods[variant] = _by_network(network)
            print(f"{variant} for {patient}: {newest.stem}", flush=True)
    return methods


def _by_network(network: DIRNet) -> Method:
    def register(pair: Pair) -> Tensor:
        shape = pair.fixed.shape[2:]
        beyond = [n - m for n, m in zip(shape, network.dense_shape or shape, strict=True)]
        pads = [half for n in reversed(beyond) for half in (n // 2, n - n // 2)]
        with torch.inference_mode():
            ddf: Tensor = network(F.pad(torch.cat([pair.fixed, pair.moving], dim=1), [-pad for pad in pads]))
        return F.pad(ddf, pads)

    return register


def conventional(threads: int) -> dict[str, Method]:
    """Give elastix, if it is installed."""
    register = elastix_registration(threads)
    if register is None:
        print("elastix is left out: pip install itk-elastix", flush=True)
        return {}
    return {"elastix": lambda pair: register(pair.fixed, pair.moving, pair.spacing)}


def measure_patient(patient: str, pairs: Sequence[Pair], methods: Mapping[str, Method], alternate: bool) -> list[Row]:
    """Rows of all pairs, before and after each method."""
    for method in methods.values():
        timed(pairs[0], method)  # the first call is slow and does not count
    rows = [{"pair": pair.name, "method": "before", **overlap(pair, pair.moving_label)} for pair in pairs]
    for turn in [[pair] for pair in pairs] if alternate else [pairs]:
        for name, method in methods.items():
            results = [timed(pair, method) for pair in turn]
            for pair, result in zip(turn, results, strict=True):
                rows.append({"pair": pair.name, "method": name, **measure(pair, *result)})
    print(f"{patient}: {len(pairs)} pairs by {', '.join(methods) or 'no method'}", flush=True)
    return [{"patient": patient, **row} for row in rows]


def timed(pair: Pair, method: Method) -> tuple[Tensor | RuntimeError, float]:
    """Register one pair: the field, or why there is none, and the milliseconds it took."""
    start = perf_counter()
    try:
        result: Tensor | RuntimeError = method(pair)
    except RuntimeError as error:
        result = error
    return result, 1e3 * (perf_counter() - start)


def measure(pair: Pair, result: Tensor | RuntimeError, milliseconds: float) -> Row:
    """Measure a field; a failure becomes its row's error."""
    if isinstance(result, RuntimeError):
        return {"error": sentence(result)}
    warped = warp(pair.moving_label[None, None], result, mode="nearest")[0, 0]
    folding = float(folding_percent(jacobian_determinant(result)))
    return {**overlap(pair, warped), "folding_percent": folding, "milliseconds": milliseconds}


def overlap(pair: Pair, label: Tensor) -> Row:
    """How well a label of the left ventricle fits that of the fixed image."""
    return {
        "dice": dice_per_label(label, pair.fixed_label, [1])[1],
        "sd95_mm": surface_distance_per_label(label, pair.fixed_label, pair.spacing, [1], "percentile_95")[1],
        "mad_mm": surface_distance_per_label(label, pair.fixed_label, pair.spacing, [1], "average")[1],
    }


def table(rows: Sequence[Row]) -> str:
    """Mean and standard deviation of every method beside the paper's, in Markdown."""
    lines = ["| method | n | Dice | paper | 95thSD, mm | paper | MAD, mm | paper | folding, % | ms per pair |"]
    lines.append("|---" * 10 + "|")
    for method, reported in PAPER.items():
        values = {figure: list(column(rows, method, figure).values()) for figure in FIGURES}
        if not values["dice"]:
            continue
        cells = [method if method in ("before", "elastix") else method.upper(), str(len(values["dice"]))]
        for (figure, digits), said in zip(FIGURES.items(), reported, strict=True):
            found = values[figure]
            cells += [f"{mean(found):.{digits}f} ± {pstdev(found):.{digits}f}" if found else "", said]
        folding, times = (column(rows, method, figure).values() for figure in ("folding_percent", "milliseconds"))
        cells += [f"{mean(folding):.3f}" if folding else "", f"{median(times):.1f}" if times else ""]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def c1_against_elastix(rows: Sequence[Row]) -> str:
    """Whether C1, the paper's best network, differs from elastix: Wilcoxon's p of every figure."""
    said = []
    for figure in FIGURES:
        ours, theirs = column(rows, "c1", figure), column(rows, "elastix", figure)
        if differences := [value - theirs[pair] for pair, value in ours.items() if pair in theirs]:
            p = wilcoxon_p(differences)
            said.append(f"{figure} {mean(differences):+.4f}, p {p:.2g} (n {len(differences)})")
    return f"C1 less elastix: {'; '.join(said) or 'one of them is missing'}. The paper reports p << 0.01."


def column(rows: Sequence[Row], method: str, figure: str) -> dict[str, float]:
    """A figure of a method by pair, without failures and labels that were lost."""
    found = {row["pair"]: row[figure] for row in rows if row["method"] == method and figure in row}
    return {pair: value for pair, value in found.items() if value == value}


if __name__ == "__main__":
    main()
