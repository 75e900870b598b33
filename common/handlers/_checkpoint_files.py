"""The checkpoints of a folder: their names, and which is the newest that can be used.

MONAI's `CheckpointLoader` takes one file and fails where it is not whole.
"""

import io
import logging
import re
from pathlib import Path
from typing import Any

import torch

from common.io import InputError, read_checkpoint, save_bytes

logger = logging.getLogger("common")
NAME = re.compile(r"checkpoint_epoch=(\d+)\.pt")


def newest_checkpoint(folder: str | Path) -> Path | None:
    """Find the newest checkpoint that is whole.

    Args:
        folder: where `TrainingCheckpoint` wrote; it need not be there.

    Returns:
        Its path, or None where there is none. Files that cannot be loaded are skipped with a warning.
    """
    newest = load_newest(Path(folder))
    return newest[0] if newest else None


def load_newest(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Load the newest checkpoint that is whole, on the CPU."""
    for path in reversed(checkpoints(folder).values()):
        try:
            content = read_checkpoint(path)
        except InputError as error:
            logger.warning("%s The file is skipped.", error)
            continue
        if _is_checkpoint(content):
            return path, content
        logger.warning("%s is skipped, it is no checkpoint of a training run.", path)
    return None


def _is_checkpoint(content: dict[str, Any]) -> bool:
    """Whether it is made as `TrainingCheckpoint` does, so that what is read from it later is there."""
    parts = [content.get(name, {}) for name in ("trainer", "objects", "validator")]
    if not all(isinstance(part, dict) for part in parts) or not parts[1]:
        return False
    numbers = [parts[0].get(name) for name in ("epoch", "iteration", "epoch_length")]
    return parts[0].keys() <= {"epoch", "iteration", "epoch_length"} and all(type(n) is int and n >= 0 for n in numbers)


def checkpoints(folder: Path) -> dict[int, Path]:
    """All checkpoints of a folder by epoch, the oldest first, whole or not."""
    names = [(NAME.fullmatch(path.name), path) for path in folder.glob("*.pt")]
    return dict(sorted((int(name[1]), path) for name, path in names if name))


def save(path: Path, content: Any) -> None:
    """Write what `torch.load` reads with `weights_only=True`, as a whole file or not at all."""
    buffer = io.BytesIO()
    torch.save(content, buffer)  # into memory: torch tells a full disk as a broken archive
    with buffer.getbuffer() as view:  # given back even if it fails: Python cannot clear a buffer that is looked at
        save_bytes(path, view)
