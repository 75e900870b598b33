"""The evaluator of MONAI that registers pairs, with the weights of its network."""

from pathlib import Path

import torch
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.inferers import Inferer
from monai.transforms import Transform
from torch import nn

from common.io import load_weights


def registration_evaluator(
    network: nn.Module,
    dataset: Dataset,
    inferer: Inferer,
    postprocessing: Transform,
    device: str | torch.device,
    checkpoint: str | Path | None = None,
    checkpoint_key: str | None = None,
) -> SupervisedEvaluator:
    """Build the evaluator, and load the weights once for all pairs.

    MONAI's `CheckpointLoader` reads them anew for every run, which here is every pair, and passes over what is missing.

    Args:
        network: on the device.
        dataset: pairs.
        inferer: asks the network.
        postprocessing: see `registration_postprocessing`.
        device: where to compute.
        checkpoint: weights, see `common.io.load_weights`; None for a network without.
        checkpoint_key: name of the network in a file of several.

    Raises:
        FileNotFoundError: if there are no such weights.
        InputError: if they do not fit.
    """
    if checkpoint is not None:
        load_weights(network, checkpoint, checkpoint_key)
    return SupervisedEvaluator(
        device=torch.device(device),
        val_data_loader=DataLoader(dataset),
        network=network,
        inferer=inferer,
        postprocessing=postprocessing,
    )
