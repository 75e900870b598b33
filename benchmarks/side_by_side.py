"""Two ways to the same result, measured in turn in one run, so that what else the machine does hits both."""

from collections.abc import Callable
from statistics import median
from time import perf_counter

import torch


def compare(title: str, run: Callable[[str], None], repeats: int) -> None:
    """Print the medians of a plain way and of ours, and their ratio.

    Args:
        title: what is measured.
        run: see `medians`.
        repeats: see there.
    """
    plain, ours = medians(run, repeats)
    print(f"{title}: plain {plain:.1f} ms, ours {ours:.1f} ms, ratio {plain / ours:.1f}")


def medians(run: Callable[[str], None], repeats: int) -> tuple[float, float]:
    """Milliseconds of two ways, each in its turn.

    Args:
        run: does it once, given `"plain"` or `"ours"`.
        repeats: how often, after one run that is not counted.
    """
    times: dict[str, list[float]] = {"plain": [], "ours": []}
    for _ in range(repeats + 1):
        for name, values in times.items():
            start = perf_counter()
            run(name)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            values.append(perf_counter() - start)
    plain, ours = (1e3 * median(values[1:]) for values in times.values())
    return plain, ours
