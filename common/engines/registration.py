"""Registers pair after pair with one MONAI evaluator: skips what is done, goes on after a bad pair, sums up.

MONAI's evaluator stops at the first item that fails; here each pair is a run of its own.
"""

import json
import logging
import os
from collections.abc import Sequence
from datetime import timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any

from monai.data import DataLoader, Dataset
from monai.engines import Evaluator
from torch import distributed

from common.engines.workflow import sentence
from common.io import write_table

logger = logging.getLogger("common")
RESULT, SUMMARY = "metrics.json", "summary.csv"
PATIENCE = timedelta(days=1)  # of a process that waits for the others
TEXTS = {"dice": "Dice", "hd95_mm": "HD95 (mm)", "tre_mm": "TRE (mm)"}


def register_pairs(evaluator: Evaluator, dataset: Dataset, output_dir: str | Path) -> None:
    """Register every pair of a data set.

    Args:
        evaluator: network, inferer and postprocessing; the latter writes the results, ``metrics.json`` last.
        dataset: one dictionary a pair; where it names the ``pair``, the results lie in a folder of this name, and a
            complete one is not done again.
        output_dir: folder of the results. Several pairs are summed up in ``summary.csv``. Processes started by
            ``torchrun`` share them.

    Raises:
        RuntimeError: if pairs of several failed; the others are done all the same. Whatever a single pair raises.
    """
    rank, processes = (int(os.environ.get(name, default)) for name, default in (("RANK", 0), ("WORLD_SIZE", 1)))
    if len(dataset) == 1 and "pair" not in dataset.data[0]:
        if rank:
            return
        _register(evaluator, dataset, 0)
        _report(json.loads((Path(output_dir) / RESULT).read_text()))
        logger.info("Results and pictures: %s", output_dir)
        return
    rows = _register_list(evaluator, dataset, Path(output_dir), range(rank, len(dataset), processes))
    if processes > 1:
        rows = _gather(rows)
        if rank == 0:
            write_table(Path(output_dir) / SUMMARY, rows)
    failures = [row["pair"] for row in rows if row["error"]]
    if failures:
        raise RuntimeError(f"{len(failures)} of {len(dataset)} pairs failed: {', '.join(failures)}.")


def _register(evaluator: Evaluator, dataset: Dataset, index: int) -> None:
    evaluator.data_loader = DataLoader(Dataset(dataset.data[index : index + 1], dataset.transform), batch_size=1)
    evaluator.state.epoch_length = 1
    evaluator._internal_run_generator = None  # ignite keeps that of a run that failed: the next would do nothing
    evaluator.run()


def _gather(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Collect the rows of all processes, in the order of the list."""
    distributed.init_process_group("gloo", timeout=PATIENCE)
    shares: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(shares, rows)
    distributed.barrier()  # gloo's threads must have let go of all tensors, or the interpreter aborts as it exits
    distributed.destroy_process_group()
    return [row for turn in zip_longest(*shares) for row in turn if row is not None]


def _register_list(
    evaluator: Evaluator, dataset: Dataset, output_dir: Path, share: Sequence[int]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for index in share:
        name = dataset.data[index]["pair"]
        row: dict[str, Any] = {"pair": name, "error": ""}
        result = output_dir / name / RESULT
        if result.is_file():
            logger.info("[%d/%d] %s is complete", index + 1, len(dataset), name)
        else:
            logger.info("[%d/%d] %s", index + 1, len(dataset), name)
            try:
                _register(evaluator, dataset, index)
            except (ValueError, TypeError, OSError, RuntimeError, MemoryError) as error:
                row["error"] = sentence(error)
                logger.error("  failed: %s", row["error"])
        rows.append(row | (_summarize(json.loads(result.read_text(encoding="utf-8"))) if result.is_file() else {}))
        if len(share) == len(dataset):
            write_table(output_dir / SUMMARY, rows)
    return rows


def _report(metrics: dict[str, Any]) -> None:
    for name, text in TEXTS.items():
        if name in metrics:
            logger.info("  %-12s %8.3f -> %.3f", text, metrics[name]["before"], metrics[name]["after"])
    logger.info("  %-12s %8.3f", "folding (%)", metrics["folding_percent"])


def _summarize(metrics: dict[str, Any]) -> dict[str, Any]:
    """One line of the summary: means before and after, deformation, seconds."""
    row: dict[str, Any] = {}
    for name in ("dice", "hd95_mm", "tre_mm", "similarity"):
        for moment in ("before", "after"):
            row[f"{name}_{moment}"] = metrics.get(name, {}).get(moment)
    row |= {name: metrics[name] for name in ("folding_percent", "sdlogj")}
    return row | {"seconds": metrics["seconds"]["total"]}
