"""Registers pair after pair with one MONAI evaluator: skips what is done, goes on after a bad pair, sums up.

MONAI's evaluator stops at the first item that fails; here each pair is a run of its own.
"""

import json
import logging
import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import zip_longest
from pathlib import Path
from statistics import mean
from typing import Any

from monai.data import DataLoader, Dataset
from monai.engines import Evaluator
from torch import distributed

from common.engines.workflow import sentence
from common.io import InputError, check_replaceable, find_mistake, write_table
from common.optimization import listening
from common.reports import RESULT_FILES, describe_inputs, differences, read_record

from ._configuration import configuration_digest
from .inverse_pairs import pairs_both_ways, record_inverse_consistency
from .progress_line import ProgressLine

logger = logging.getLogger("common")
SUMMARY = "summary.csv"
INVERSE = "inverse_median_mm"  # its column there; the mean is more of what lies around the patient
PATIENCE = timedelta(days=1)  # of a process that waits for the others
TEXTS = {"dice": "Dice", "hd95_mm": "HD95 (mm)", "tre_mm": "TRE (mm)"}


def register_pairs(
    evaluator: Evaluator, dataset: Dataset, output_dir: str | Path, provenance: Mapping[str, Any] | None = None
) -> None:
    """Register every pair of a data set.

    Args:
        evaluator: network, inferer and postprocessing; the latter writes the results, ``metrics.json`` last.
        dataset: one dictionary per pair; where it names the ``pair``, the results lie in a folder of that name; what
            was made of the same inputs and settings is not made again.
        output_dir: folder of the results. Several pairs are summed up in ``summary.csv``. Processes started by
            ``torchrun`` share them.
        provenance: what a result is made of besides its inputs, see `common.reports.differences`.

    Raises:
        InputError: if pairs of several failed; the others are done all the same. Whatever a single pair raises.
    """
    parts = (getattr(evaluator, name, None) for name in ("network", "inferer", "postprocessing"))
    provenance = {**(provenance or {}), "configuration": configuration_digest(*parts, dataset.transform)}
    rank, processes = (int(os.environ.get(name, default)) for name, default in (("RANK", 0), ("WORLD_SIZE", 1)))
    if len(dataset) == 1 and "pair" not in dataset.data[0]:
        if rank:
            return
        made_of = _made_of(dataset.data[0], provenance)
        _report(_register(evaluator, dataset, dataset.data[0], made_of, Path(output_dir)))
        logger.info("Results and pictures: %s", output_dir)
        return
    rows = _register_list(evaluator, dataset, Path(output_dir), range(rank, len(dataset), processes), provenance)
    if processes > 1:
        rows = _gather(rows)
    if rank == 0:
        _measure_inverses(rows, dataset, Path(output_dir))
        write_table(Path(output_dir) / SUMMARY, rows)
        if not all(row["error"] for row in rows):
            _report_list(rows, Path(output_dir))
    if processes > 1:
        _part()
    failures = [row["pair"] for row in rows if row["error"]]
    if failures:
        raise InputError(f"{len(failures)} of {len(dataset)} pairs failed: {', '.join(failures)}.")


def _made_of(pair: Mapping[str, Any], provenance: Mapping[str, Any]) -> dict[str, Any]:
    return {**provenance, "inputs": describe_inputs(pair, provenance.get("settings"))}


def _register(
    evaluator: Evaluator, dataset: Dataset, pair: Mapping[str, Any], made_of: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """Register one pair, and return what was recorded of it."""
    check_replaceable(folder, RESULT_FILES)
    described = {**pair, "made_of": json.dumps(made_of, default=str)}  # a text, which MONAI carries along as it is
    evaluator.data_loader = DataLoader(Dataset([described], dataset.transform), batch_size=1)
    evaluator.state.epoch_length = 1
    evaluator._internal_run_generator = None  # ignite keeps that of a run that failed: the next would do nothing
    with listening(ProgressLine()):
        evaluator.run()
    return read_record(folder)


def _earlier(folder: Path, expected: Mapping[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The record of what was made of the same; else why there is none, which is empty where nothing was made."""
    try:
        record = read_record(folder)
        _summarize(record)
    except FileNotFoundError:
        return None, ""
    except (ValueError, TypeError, AttributeError, KeyError):
        return None, "its metrics.json is damaged"
    why = differences(record, folder, expected)
    return None if why else record, why


def _gather(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Collect the rows of all processes, in the order of the list."""
    distributed.init_process_group("gloo", timeout=PATIENCE)
    shares: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(shares, rows)
    return [row for turn in zip_longest(*shares) for row in turn if row is not None]


def _part() -> None:
    """Wait for the first process, which `torchrun` would end with another that ends in an error."""
    distributed.barrier()  # gloo's threads must have let go of all tensors, or the interpreter aborts as it exits
    distributed.destroy_process_group()


def _register_list(
    evaluator: Evaluator, dataset: Dataset, output_dir: Path, share: Sequence[int], provenance: Mapping[str, Any]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for index in share:
        pair = dataset.data[index]
        place, folder = f"[{index + 1}/{len(dataset)}] {pair['pair']}", output_dir / pair["pair"]
        row: dict[str, Any] = {"pair": pair["pair"], "error": ""}
        try:
            made_of = _made_of(pair, provenance)
            record, why = _earlier(folder, made_of)
            if record is None:
                logger.info("%s%s", place, why and f" is done again: {why}")
                record = _register(evaluator, dataset, pair, made_of, folder)
            else:
                logger.info("%s is complete: same inputs and settings", place)
            row |= _summarize(record)
        except Exception as error:  # the others are registered all the same
            row["error"] = sentence(error)
            logger.error("  failed: %s", row["error"], exc_info=find_mistake(error) is None)
        rows.append(row)
        if len(share) == len(dataset):
            write_table(output_dir / SUMMARY, rows)
    return rows


def _measure_inverses(rows: list[dict[str, Any]], dataset: Dataset, folder: Path) -> None:
    """Of the pairs that were registered both ways, in their rows and records."""
    done = {row["pair"]: row for row in rows if not row["error"]}
    names = [each for each in pairs_both_ways([dataset.data[n] for n in range(len(dataset))]) if done.keys() >= {*each}]
    for both in names:
        try:
            medians = record_inverse_consistency([folder / name for name in both])
        except (InputError, OSError) as error:
            logger.warning("The inverse consistency of %s is not measured: %s", both[0], error)
        else:
            for name, median_mm in zip(both, medians, strict=True):
                done[name][INVERSE] = median_mm


def _report(metrics: Mapping[str, Any]) -> None:
    for name, text in TEXTS.items():
        if name in metrics:
            before, after = (_figure(metrics[name][moment]) for moment in ("before", "after"))
            alone = metrics.get("network_alone", {}).get(name)
            told = "  (of what guided it)" * metrics[name].get("guided", False)
            told += "" if alone is None else f"  (network alone: {_figure(alone)})"
            logger.info("  %-12s %8s -> %s%s", text, before, after, told)
    logger.info("  %-12s %8s", "folding (%)", _figure(metrics["folding_percent"]))
    labels = metrics.get("hd95_mm", {}).get("per_label")
    if labels == {}:
        logger.info("  No label is in both scans: neither Dice nor HD95 can be measured.")
    elif gone := [label for label, distance in (labels or {}).items() if distance["after"] is None]:
        logger.info("  Nothing is left of label %s once it is warped onto the fixed scan.", ", ".join(gone))


def _report_list(rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """What the pairs have on average, each figure over those that have it, and where it all is."""
    logger.info("Mean of %d pairs", sum(not row["error"] for row in rows))
    for name, text in TEXTS.items():
        before, after = (_mean(rows, f"{name}_{moment}") for moment in ("before", "after"))
        if after is not None:
            logger.info("  %-12s %8s -> %s", text, _figure(before), _figure(after))
    logger.info("  %-12s %8s", "folding (%)", _figure(_mean(rows, "folding_percent")))
    if any(INVERSE in row for row in rows):
        logger.info("  %-12s %8s", "inverse (mm)", _figure(_mean(rows, INVERSE)))
    logger.info("Results and pictures: %s; each pair: %s", folder, folder / SUMMARY)


def _mean(rows: Sequence[Mapping[str, Any]], column: str) -> float | None:
    known = [row[column] for row in rows if row.get(column) is not None]
    return mean(known) if known else None


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _summarize(metrics: dict[str, Any]) -> dict[str, Any]:
    """One line of the summary: means before and after, deformation, seconds."""
    row: dict[str, Any] = {}
    for name in ("dice", "hd95_mm", "tre_mm", "similarity"):
        for moment in ("before", "after"):
            row[f"{name}_{moment}"] = metrics.get(name, {}).get(moment)
    if guided := [name for name in TEXTS if metrics.get(name, {}).get("guided")]:
        row["guided"] = " ".join(guided)
    row |= {"folding_percent": metrics["folding_percent"]}
    row |= {"folding_inside_percent": metrics.get("folding_inside_percent"), "sdlogj": metrics["sdlogj"]}
    return row | {"seconds": metrics["seconds"]["total"]}
