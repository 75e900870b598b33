"""A line that moves while a pair is registered."""

import logging
import sys
import time

logger = logging.getLogger("common")
WIDTH = 27  # of the lines of `common.transforms.ClockedCompose`, which take its place


class ProgressLine:
    """Tells how far a computation is, see `common.optimization.listening`.

    In a terminal one line of stderr is written over and over; elsewhere a line is logged every `interval` seconds.
    Where the package's log is silent, so is this.

    Args:
        interval: seconds between two lines that are logged; those of a terminal are a fiftieth of it apart.
    """

    def __init__(self, interval: float = 10.0) -> None:
        self.terminal = sys.stderr.isatty()
        self.interval = interval / 50 if self.terminal else interval
        self.last = time.monotonic()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Write, if it is time."""
        now = time.monotonic()
        if now - self.last < self.interval or not logger.isEnabledFor(logging.INFO):
            return
        self.last = now
        text = f"  {stage} {done} of {total}"
        if self.terminal:  # the cursor goes back: what is logged next takes the place
            sys.stderr.write(f"{text[:WIDTH]:{WIDTH}}\r")
            sys.stderr.flush()
        else:
            logger.info("%s", text)
