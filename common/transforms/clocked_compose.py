"""Where a pair is on its way, and how long each stage took.

MONAI's `WorkflowProfiler` times the calls of a process; this times the way of each pair, for its record.
"""

import logging
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from monai.transforms import Compose

logger = logging.getLogger("common")


class ClockedCompose(Compose):
    """Transforms of a dictionary by stages: logs a line where a stage ends, and notes its seconds.

    Args:
        stages: transforms by the name of their stage, in their order.
        after: the stage that ends where this begins, such as the network's between two of these; None starts the clock.

    Adds ``seconds``: stage to seconds, in the order of the way, and ``clock``: when the last stage ended.
    """

    def __init__(self, stages: Mapping[str, Sequence[Callable]], after: str | None = None) -> None:
        super().__init__([transform for transforms in stages.values() for transform in transforms])
        bounds = pairwise(accumulate(map(len, stages.values()), initial=0))
        self.stages = dict(zip(stages, bounds, strict=True))
        self.after = after

    def __call__(
        self, input_: Any, start: int = 0, end: int | None = None, threading: bool = False, lazy: bool | None = None
    ) -> dict[Hashable, Any]:
        """Transform.

        Raises:
            ValueError: if only a part is wanted, as data sets with a cache do.
        """
        if start != 0 or end is not None:
            raise ValueError(f"ClockedCompose() expects to run as a whole, got 'start' {start} and 'end' {end}.")
        if self.after is None:
            data: Any = {**input_, "seconds": {}, "clock": time.perf_counter()}
        else:
            data = _ended(input_, self.after)
        for stage, bounds in self.stages.items():
            data = _ended(super().__call__(data, *bounds, threading, lazy), stage)
        return data


def _ended(data: Mapping[Any, Any], stage: str) -> dict[Hashable, Any]:
    """Note the time since the stage before."""
    now = time.perf_counter()
    elapsed = now - float(data["clock"])
    logger.info("  %-16s %6.1f s", stage, elapsed)
    return {**data, "seconds": {**data["seconds"], stage: elapsed}, "clock": now}
