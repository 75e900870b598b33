"""How much memory there is, as Linux tells it."""

import sys
from pathlib import Path

import pytest
import torch

from common.io import available_memory, check_memory, memory

MEMINFO = "MemTotal:  32000 kB\nMemAvailable:  20000 kB\nSwapFree:  1000 kB\nHugePages_Total:  0\n"


def system(root: Path, **files: str) -> Path:
    for name, text in {"proc/meminfo": MEMINFO, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def group(limit: str, used: str, folder: str = "sys/fs/cgroup") -> dict[str, str]:
    names = ("memory.max", "memory.current") if folder.endswith("cgroup") else ("memory.limit_in_bytes",)
    files = dict(zip([*names, "memory.usage_in_bytes"][:2], (limit, used), strict=True))
    return {f"{folder}/{name}": text for name, text in files.items()}


def test_available_memory_of_a_machine(tmp_path: Path) -> None:
    assert available_memory(system(tmp_path)) == 21000 * 1024


@pytest.mark.parametrize("folder", ["sys/fs/cgroup", "sys/fs/cgroup/memory"])
def test_available_memory_of_a_container(folder: str, tmp_path: Path) -> None:
    stat = {f"{folder}/memory.stat": "anon 1\ninactive_file 500\n"}
    assert available_memory(system(tmp_path, **group("9000\n", "3000\n", folder), **stat)) == 6500
    assert available_memory(system(tmp_path, **group("3000", "4000", folder), **stat)) == 0


def test_available_memory_of_a_container_without_limit(tmp_path: Path) -> None:
    assert available_memory(system(tmp_path, **group("max\n", "3000\n"))) == 21000 * 1024


def test_available_memory_elsewhere_is_not_known(tmp_path: Path) -> None:
    assert available_memory(tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it so")
def test_available_memory_of_this_machine_is_plausible() -> None:
    free = available_memory()
    assert free is not None
    assert 2**24 < free < 2**46


def test_check_memory_refuses_what_is_far_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 4_000_000_000)
    check_memory(5.9e9, "do less")
    with pytest.raises(ValueError, match=r"^This pair needs about 9 GB of memory, 4 GB are free: do less\.$"):
        check_memory(9e9, "do less")
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    check_memory(9e99, "do less")


def test_memory_is_that_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (4_000_000_000, 8_000_000_000))
    with pytest.raises(ValueError, match=r"^It takes 5 GB of GPU memory, 4 GB are free: do less\.$"):
        check_memory(5e9, "do less", "It takes", 1.0, torch.device("cuda", 0))
