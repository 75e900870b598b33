"""Weights as they are shipped: half the bytes, several networks in one file, or the mean of several trainings.

MONAI and Ignite load such files (`CheckpointLoader` with the name of one); neither writes them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from common.io import InputError, read_weights
from common.networks.nets import plain_weights

from ._checkpoint_files import load_newest, save


def pack_weights(files: Mapping[str, str | Path], output: str | Path, half: bool = False) -> None:
    """Put the weights of one or several networks into one file.

    Args:
        files: by name, what `TrainingCheckpoint` wrote: ``model.pt``, or a folder of checkpoints, of which the newest
            is taken. The one file of name "" is written as it is, others by their names; of a `ProgressiveUNet` the
            U-Net that it has grown to, see `common.networks.nets.plain_weights`.
        output: file to write, whole or not at all.
        half: floating point weights in half precision.

    Raises:
        FileNotFoundError: if there is no such file, or no checkpoint in the folder.
        InputError: if a file holds no weights.
        OSError: if the output cannot be written.
    """
    weights = {name: _convert(_load(Path(path)), half) for name, path in files.items()}
    save(Path(output), weights[""] if list(weights) == [""] else weights)


def pack_mean_weights(files: Sequence[str | Path], output: str | Path, half: bool = False) -> None:
    """Average the weights of one network after several trainings that began with the same weights.

    Args:
        files: see `pack_weights`, two or more.
        output: file to write, whole or not at all.
        half: floating point weights in half precision.

    Raises:
        FileNotFoundError: see `pack_weights`.
        InputError: if a file holds no weights, or they are of different networks.
        OSError: if the output cannot be written.

    Reference:
        Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without
        increasing inference time", ICML 2022, https://arxiv.org/abs/2203.05482.
    """
    first, *others = [_load(Path(path)) for path in files]
    shapes = {name: weight.shape for name, weight in first.items()}
    for path, weights in zip(files[1:], others, strict=True):
        if {name: weight.shape for name, weight in weights.items()} != shapes:
            raise InputError(f"{path} is expected to hold weights of the network of {files[0]}, got another one.")
    mean = {
        name: torch.stack([weight.double(), *(each[name].double() for each in others)]).mean(0).to(weight.dtype)
        for name, weight in first.items()
    }
    save(Path(output), _convert(mean, half))


def _load(path: Path) -> dict[str, Any]:
    if path.is_dir():
        found = load_newest(path)
        if found is None:
            raise FileNotFoundError(f"There is no whole checkpoint in {path}.")
        return plain_weights(found[1]["objects"]["network"])
    return plain_weights(read_weights(path))


def _convert(weights: Mapping[str, torch.Tensor], half: bool) -> dict[str, torch.Tensor]:
    return {name: weight.half() if half and weight.is_floating_point() else weight for name, weight in weights.items()}
