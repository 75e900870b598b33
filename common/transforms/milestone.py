"""Where a pair is on its way, and how long each stage took."""

import logging
import time
from collections.abc import Hashable, Mapping
from typing import Any

from monai.transforms import Transform

logger = logging.getLogger("common")


class Milestoned(Transform):
    """Mark the end of a stage: log a line and note its seconds.

    Args:
        stage: name of the stage that has just ended; None starts the clock.

    Adds ``seconds``: stage to seconds, in the order of the way.
    """

    def __init__(self, stage: str | None = None) -> None:
        self.stage = stage

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Note the time since the last milestone."""
        now = time.perf_counter()
        if self.stage is None:
            return {**data, "seconds": {}, "milestone": now}
        elapsed = now - float(data["milestone"])
        logger.info("  %-16s %6.1f s", self.stage, elapsed)
        return {**data, "seconds": {**data["seconds"], self.stage: elapsed}, "milestone": now}
