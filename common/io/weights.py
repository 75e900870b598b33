"""The weights of networks in files, however they were written: alone, several by name, or in a checkpoint."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .input_error import InputError

Weights = dict[str, Tensor]


def read_weights(path: str | Path, name: str | None = None) -> Weights:
    """Read the weights of one network, on the CPU.

    Args:
        path: what `torch.save` wrote: a ``state_dict``, several by name, or a checkpoint of a training
            (`common.handlers.TrainingCheckpoint`).
        name: which of several; not needed where the file holds one.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it holds no weights, not those of that name, or such that are not finite.
    """
    path = Path(path)
    weights = _one_of(read_checkpoint(path), path, name)
    for parameter, value in weights.items():
        if not bool(torch.isfinite(value).all()):
            raise InputError(f"{path} is damaged: its weights {parameter} are not finite.")
    return weights


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read what `torch.save` wrote, without unpickling anything but tensors and plain containers.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is damaged, or something else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There are no weights at {path}.")
    try:
        _check_sums(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a damaged archive happens to be taken for
        raise InputError(f"{path} holds no weights: it is damaged, or no file of PyTorch.") from error
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path} holds no weights: it is no checkpoint and no state_dict.")
    return content


def _check_sums(path: Path) -> None:
    """Compare an archive with its checksums: PyTorch itself does not, a changed bit is a changed weight."""
    if zipfile.is_zipfile(path):  # older versions wrote none
        with zipfile.ZipFile(path) as archive:
            if damaged := archive.testzip():
                raise zipfile.BadZipFile(damaged)


def load_weights(network: nn.Module, path: str | Path, name: str | None = None) -> None:
    """Load the weights of a file into a network, all of them; see `check_weights`.

    On the device "meta", where there are no numbers, they are checked alone.
    """
    weights = check_weights(network, path, name)
    if not any(parameter.is_meta for parameter in network.parameters()):
        unwrap(network).load_state_dict(weights)


def check_weights(network: nn.Module, path: str | Path, name: str | None = None) -> Weights:
    """Make sure that the weights of a file are those of a network.

    Args:
        network: takes the weights; also one that is spread over several GPUs. Beginnings of names in its
            `unused_weights` tell what it was trained with and does without.
        path: see `read_weights`.
        name: see `read_weights`.

    Returns:
        What the network loads.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: see `read_weights`; and if names or shapes are not the network's.
    """
    weights, network = read_weights(path, name), unwrap(network)
    unused = getattr(network, "unused_weights", ())
    weights = {parameter: value for parameter, value in weights.items() if not parameter.startswith(unused)}
    there = {parameter: value.shape for parameter, value in weights.items()}
    wanted = {parameter: value.shape for parameter, value in network.state_dict().items()}
    names = there.keys() | wanted.keys()
    differing = sorted(parameter for parameter in names if there.get(parameter) != wanted.get(parameter))
    if differing:
        raise InputError(
            f"The weights in {path} do not fit the network: {len(differing)} of {len(names)} are missing, unknown or "
            f"of another shape, {differing[0]} among them. Give the options they were trained with."
        )
    return weights


def unwrap(network: nn.Module) -> nn.Module:
    """The network itself, whose weights have the same names on one GPU and on many."""
    wrappers = nn.DataParallel | nn.parallel.DistributedDataParallel
    return network.module if isinstance(network, wrappers) else network


def _one_of(content: Mapping[str, Any], path: Path, name: str | None) -> Weights:
    """The weights of one network among what a file may hold."""
    if all(isinstance(value, Tensor) for value in content.values()):
        return dict(content)
    is_checkpoint = isinstance(content.get("objects"), Mapping)
    candidates = {"network": content["objects"].get("network")} if is_checkpoint else content
    networks = {
        key: dict(value)
        for key, value in candidates.items()
        if isinstance(value, Mapping) and value and all(isinstance(each, Tensor) for each in value.values())
    }
    if not networks:
        raise InputError(f"{path} holds no weights but {', '.join(map(str, content))}.")
    if is_checkpoint or (name is None and len(networks) == 1):
        return next(iter(networks.values()))
    if name not in networks:
        raise InputError(f"There is no network {name} in {path}: --checkpoint_key is one of {', '.join(networks)}.")
    return networks[name]
