"""The checkpoints of a folder: their names, and which is the newest that can be used.

MONAI's `CheckpointLoader` takes one file and fails where it is not whole.
"""

import io
import logging
import re
from pathlib import Path
from typing import Any

import torch
from torch import nn

from common.io import save_bytes

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
            content = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # whatever a damaged archive happens to be taken for
            logger.warning("%s is skipped, it is damaged: %s", path, str(error).split("\n")[0])
            continue
        if isinstance(content, dict) and {"trainer", "objects"} <= content.keys():
            return path, content
        logger.warning("%s is skipped, it is no checkpoint of a training run.", path)
    return None


def checkpoints(folder: Path) -> dict[int, Path]:
    """All checkpoints of a folder by epoch, the oldest first, whole or not."""
    names = [(NAME.fullmatch(path.name), path) for path in folder.glob("*.pt")]
    return dict(sorted((int(name[1]), path) for name, path in names if name))


def save(path: Path, content: Any) -> None:
    """Write what `torch.load` reads with `weights_only=True`, as a whole file or not at all."""
    buffer = io.BytesIO()
    torch.save(content, buffer)  # into memory: torch tells a full disk as a broken archive
    save_bytes(path, buffer.getbuffer())


def unwrap(network: nn.Module) -> nn.Module:
    """The network itself, whose weights have the same names on one GPU and on many."""
    wrappers = nn.DataParallel | nn.parallel.DistributedDataParallel
    return network.module if isinstance(network, wrappers) else network


def load_weights(network: nn.Module, path: Path) -> None:
    """Load weights to start from.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, or if the names or shapes of its weights are not the network's.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There are no initial weights at {path}.")
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        there = {name: weight.shape for name, weight in weights.items()}
    except Exception as error:
        raise ValueError(f"{path} holds no weights: is it damaged, or a checkpoint instead of a model?") from error
    network = unwrap(network)
    wanted = {name: weight.shape for name, weight in network.state_dict().items()}
    differing = sorted(name for name in there.keys() | wanted.keys() if there.get(name) != wanted.get(name))
    if differing:
        raise ValueError(
            f"The weights in {path} do not fit the network: {len(differing)} of {len(there.keys() | wanted.keys())} "
            f"are missing, unknown or of another shape, {differing[0]} among them. Do its settings differ?"
        )
    network.load_state_dict(weights)
