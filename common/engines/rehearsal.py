"""A training before it begins: what it would find out only once all scans are read.

Its network is built and run without numbers, on PyTorch's device "meta": shapes are known there, nothing is allocated.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser, ConfigWorkflow
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from common.handlers import check_no_checkpoints
from common.io import InputError, check_memory, check_weights, find_mistake

from ._references import references
from .command_line import check_folder
from .workflow import calling

HANDLERS = "common.engines.TrainingHandlers"
KNOBS = ("ckpt_dir", "resume", "initial_weights")  # of these
HALF = 0.5  # of what mixed precision keeps, at the least


def rehearse(
    device: torch.device,
    checkpoint: str | Path | None = None,
    checkpoint_key: str | None = None,
    image_shape: Sequence[int] | None = None,
) -> None:
    """Check what the config that is being resolved needs, before anything of it is allocated or read.

    A training is one whose ``run`` refers to ``train``; what its trainer and its `TrainingHandlers` are given is looked
    at there.

    Args:
        device: where to compute.
        checkpoint: weights of an evaluation; they have to fit.
        checkpoint_key: name of the network in a file of several.
        image_shape: of what the network is given in training, batch and channels first; None where that is no image.

    Raises:
        FileNotFoundError: if there are no such weights.
        InputError: if weights do not fit, a run would overwrite checkpoints, the network cannot take such images, or
            needs more memory than there is.
    """
    parser, workflow = calling(ConfigParser), calling(ConfigWorkflow)
    if parser is None or workflow is None:
        return
    network = _without_numbers(parser)
    if checkpoint is not None and network is not None:
        check_weights(network, checkpoint, checkpoint_key)
    if "train" in references(parser.get(workflow.run_id)):
        _rehearse_training(parser, network, device, image_shape)


def kept_in_training(network: nn.Module, image_shape: Sequence[int]) -> tuple[int, int]:
    """Tell what a step of a training keeps at the least: less than it will need, as losses and gradients come on top.

    Args:
        network: on the device "meta".
        image_shape: of its image, batch and channels first.

    Returns:
        Bytes of the weights, and of what autograd keeps of the network for the backward pass: each tensor once. A
        network that does what cannot be done without numbers is followed so far.

    Raises:
        InputError: if it cannot take such an image.
    """
    kept: dict[int, Tensor] = {}
    weights = {_place(parameter) for parameter in network.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.is_meta and _place(tensor) not in weights:
            kept[_place(tensor)] = tensor
        return tensor

    try:
        with torch.device("meta"), saved_tensors_hooks(keep, lambda tensor: tensor):
            network.train()(torch.zeros(*image_shape))
    except Exception as error:
        if isinstance(mistake := find_mistake(error), InputError):
            raise mistake from None
    return sum(p.nbytes for p in network.parameters()), sum(t.untyped_storage().nbytes() for t in kept.values())


def _rehearse_training(
    parser: ConfigParser, network: nn.Module | None, device: torch.device, image_shape: Sequence[int] | None
) -> None:
    handlers = [f"train::handlers::{number}" for number in range(len(parser.get("train::handlers", [])))]
    for place in (each for each in handlers if parser.get(f"{each}::_target_") == HANDLERS):
        ckpt_dir, resume, weights = (parser.get_parsed_content(f"{place}::{name}", default=None) for name in KNOBS)
        if ckpt_dir is not None:
            check_folder("ckpt_dir", ckpt_dir)
        if ckpt_dir is not None and not resume:
            check_no_checkpoints(ckpt_dir)
        if weights is not None and not resume and network is not None:
            check_weights(network, weights)
    if network is not None and image_shape is not None:
        amp = parser.get_parsed_content("train::trainer::amp", default=False)
        _check_training_memory(network, image_shape, device, amp)
    for name in _without_data(parser):
        parser.get_parsed_content(name)


def _without_numbers(parser: ConfigParser) -> nn.Module | None:
    """The network of a config; None where it cannot be built so, which says nothing."""
    try:
        with torch.device("meta"):
            network: Any = ConfigParser(parser.get()).get_parsed_content("network_def")
    except Exception as error:
        if isinstance(mistake := find_mistake(error), InputError):
            raise mistake from None
        return None
    return network if isinstance(network, nn.Module) else None


def _without_data(parser: ConfigParser) -> list[str]:
    """The components that a training builds of neither its data nor its network: words in them are told at once."""
    config: dict[str, Any] = parser.get()
    needs = {name: references(value) & config.keys() for name, value in config.items()}
    components = {name for name, value in config.items() if isinstance(value, dict) and "_target_" in value}
    later = components & (_reach({"network_def"}, needs) | {"cases"})
    wanted = components & _reach({"train", "validate"}, needs)
    return sorted(name for name in wanted if not _reach({name}, needs) & later)


def _reach(names: set[str], needs: Mapping[str, set[str]]) -> set[str]:
    """Names, what these refer to, and so on."""
    reached: set[str] = set()
    while new := names - reached:
        reached |= new
        names = {other for name in new for other in needs[name]}
    return reached


def _check_training_memory(network: nn.Module, image_shape: Sequence[int], device: torch.device, amp: bool) -> None:
    weights, kept = kept_in_training(network, image_shape)
    images = 4 * math.prod(image_shape)
    check_memory(
        weights + images + (HALF if amp else 1) * kept,
        f"for images of {' x '.join(map(str, image_shape[2:]))} voxels, {image_shape[0]} at once: choose a smaller "
        "--batch_size or --spatial_size",
        needing="This training needs more than",
        generosity=1.0,
        device=device,
    )


def _place(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
