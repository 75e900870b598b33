"""Training by one process, or by several that torchrun started, a GPU each.

MONAI's bundles write this out in every configuration.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from monai.utils import set_determinism
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from common.io import InputError

from .command_line import check_options
from .rehearsal import rehearse

RANK = "LOCAL_RANK"  # of this process on its machine, from torchrun


def process_device(backend: str) -> torch.device:
    """The device of this process.

    Args:
        backend: "nccl" for GPUs, "gloo" for CPUs.

    Raises:
        InputError: if torchrun did not start it.
    """
    if RANK not in os.environ:
        raise InputError("Several processes are started by torchrun: for one leave multi_gpu_train.json out.")
    return torch.device("cuda", int(os.environ[RANK])) if backend == "nccl" else torch.device("cpu")


def start(
    output_dir: str | Path,
    device: str | torch.device,
    seed: int = 0,
    backend: str | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_key: str | None = None,
    image_shape: Sequence[int] | None = None,
    features: str | None = None,
    segmenter: str | Path | None = None,
) -> None:
    """Do what comes before anything is built: meet the other processes, seed, check the options.

    Args:
        output_dir: see `check_options`.
        device: see `check_options`.
        seed: of all that is random, the first weights included.
        backend: see `process_device`; None where there is one process.
        checkpoint: see `check_options`.
        checkpoint_key: see `check_options`.
        image_shape: see `rehearse`.
        features: see `check_options`; with a choice of them the checkpoint is theirs, not the network's.
        segmenter: see `check_options`.

    Raises:
        InputError: see `check_options` and `rehearse`; or if the machine has no such backend.
        OSError: see `check_options`.
    """
    if backend is not None:
        if not distributed.is_backend_available(backend) or (backend == "nccl" and not torch.cuda.is_available()):
            raise InputError(f"--backend {backend} is not available on this machine: use --backend gloo, for CPUs.")
        distributed.init_process_group(backend)
    set_determinism(int(seed))
    check_options(output_dir, device, features, checkpoint, checkpoint_key, segmenter)
    rehearse(torch.device(device), checkpoint if features is None else None, checkpoint_key, image_shape)


def leave_processes(device: torch.device) -> None:
    """Wait for the other processes, and part.

    Args:
        device: of this process.
    """
    distributed.barrier(device_ids=[device.index] if device.type == "cuda" else None)
    distributed.destroy_process_group()


def place_network(
    network: nn.Module,
    device: str | torch.device,
    channels_last: bool = False,
    compiler: str | None = None,
    growing: bool = False,
) -> nn.Module:
    """Make a network ready to be trained.

    Args:
        network: of one process.
        device: where to compute.
        channels_last: store weights and maps of 3-D networks channel by channel innermost, which is quicker on CPUs.
        compiler: backend of `torch.compile`; None for none.
        growing: parts of it are not used in every step, and get no gradient then.

    Returns:
        The network on the device; where there are several processes, wrapped so that their gradients are averaged.
    """
    device = torch.device(device)
    network = network.to(device)
    if channels_last:
        network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    if distributed.is_available() and distributed.is_initialized():
        devices = [device] if device.type == "cuda" else None
        network = DistributedDataParallel(network, device_ids=devices, find_unused_parameters=growing)
    if compiler:
        network.compile(backend=compiler)
    return network
