"""What was measured on every pair, and over all of them, as CSV files.

MONAI's `MetricsSaver` writes one file a metric, knows no name of a pair, and has no Dice30.
"""

import logging
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import numpy as np
from ignite.engine import Engine, Events
from monai.utils import string_list_all_gather

from common.io import write_table
from common.metrics import dice30

logger = logging.getLogger("common")
# as in the summary of an inference
COLUMNS = {"dice": "dice_after", "jaccard": "jaccard_after", "hd95_mm": "hd95_mm_after"}


class PairResults:
    """Write ``pairs.csv``, a row per pair, and ``evaluation.csv``, mean and deviation of every metric and Dice30.

    The metrics are those attached to the engine with MONAI's `IgniteMetricHandler`; a pair's value is the mean over its
    labels, those that are missing left out. ``pairs.csv`` has the columns of an inference's ``summary.csv``, so that
    ``python -m common compare_results`` takes both. Of several processes the first writes the pairs of all.

    Args:
        output_dir: folder of the files; made if it is not there.
    """

    def __init__(self, output_dir: str | Path) -> None:
        self.output_dir = Path(output_dir)
        self.names: list[str] = []

    def attach(self, engine: Engine) -> None:
        """Register the events of an evaluator."""
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.collect)
        engine.add_event_handler(Events.COMPLETED, self.write)

    def start(self, engine: Engine) -> None:
        """Forget the pairs of an earlier run."""
        self.names = []

    def collect(self, engine: Engine) -> None:
        """Take the names of a batch of pairs."""
        batch: Any = engine.state.batch
        self.names += batch["pair"]

    def write(self, engine: Engine) -> None:
        """Write both files.

        Raises:
            OSError: if they cannot be written.
        """
        details: dict[str, Any] = engine.state.metric_details  # type: ignore[attr-defined]
        names = string_list_all_gather(self.names)
        if idist.get_rank():
            return
        kept = list(range(len(names)))
        if len(set(names)) < idist.get_world_size():  # some have the same pairs, see `common.data.EqualShares`
            kept = [names.index(name) for name in dict.fromkeys(names)]
            names = [names[number] for number in kept]
        values = {COLUMNS.get(name, name): _mean_over_labels(buffer)[kept] for name, buffer in details.items()}
        cells = {column: [f"{v:.6g}" if np.isfinite(v) else "" for v in each] for column, each in values.items()}
        columns = {"pair": names, "error": [""] * len(names), **cells}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        write_table(self.output_dir / "pairs.csv", rows)
        summary = [
            {"metric": name, "mean": f"{np.nanmean(v):.6g}", "std": f"{np.nanstd(v):.6g}"} for name, v in values.items()
        ]
        if "dice_after" in values:
            summary.append({"metric": "dice30_after", "mean": f"{dice30(values['dice_after']):.6g}", "std": ""})
        write_table(self.output_dir / "evaluation.csv", summary)
        for row in summary:
            logger.info("  %-24s %s", row["metric"], " ± ".join(filter(None, (row["mean"], row["std"]))))
        logger.info("Mean and deviation of %d pairs; each: %s", len(names), self.output_dir / "pairs.csv")


def _mean_over_labels(buffer: Any) -> np.ndarray:
    scores = np.asarray(buffer.cpu(), dtype=np.float64).reshape(len(buffer), -1)
    known = np.isfinite(scores)
    total = np.where(known, scores, 0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)
