"""What memory is there, so that too large a pair is refused before the machine begins to kill programs.

psutil knows the machine, not the limit of the container a program runs in.
"""

from pathlib import Path

import torch

from .input_error import InputError

GENEROSITY = 1.5  # estimates are rough, and a false alarm is worse than a late one
CGROUPS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))


def available_memory(root: str | Path = "/") -> int | None:
    """Bytes this process may still take: of the machine, swap included, and of its container.

    Args:
        root: where the system tells it.

    Returns:
        None where nothing is told, as on other systems than Linux.
    """
    root = Path(root)
    told = _numbers(root / "proc" / "meminfo")
    limits = [1024 * (told["MemAvailable"] + told.get("SwapFree", 0))] if "MemAvailable" in told else []
    groups = root / "sys" / "fs" / "cgroup"
    for limit, usage in CGROUPS:
        maximum, used = _number(groups / limit), _number(groups / usage)
        if maximum is not None and used is not None:
            cache = _numbers((groups / limit).with_name("memory.stat")).get(
                "inactive_file", 0
            )  # given back when needed
            limits.append(max(maximum - used + cache, 0))
    return min(limits) if limits else None


def check_memory(
    needed: float,
    advice: str,
    needing: str = "This pair needs about",
    generosity: float = GENEROSITY,
    device: torch.device | None = None,
) -> None:
    """Compare an estimate with what is there; where that is not known, anything will do.

    Args:
        needed: bytes.
        advice: what would need less.
        needing: beginning of the sentence.
        generosity: how many times as much as there is may be needed; 1 for an estimate that is never too high.
        device: whose memory; by default that of the computer.

    Raises:
        InputError: if it is more.
    """
    on_gpu = device is not None and device.type == "cuda"
    free = torch.cuda.mem_get_info(device)[0] if on_gpu else available_memory()
    if free is not None and needed > generosity * free:
        raise InputError(
            f"{needing} {needed / 1e9:.3g} GB of {'GPU ' if on_gpu else ''}memory, {free / 1e9:.3g} GB are free: "
            f"{advice}."
        )


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # not there, or "max"
        return None


def _numbers(path: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    try:
        rows = [line.replace(":", " ").split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}
