"""The evaluator of MONAI that registers pairs, with the weights of its network."""

from pathlib import Path
from typing import Any

import torch
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator, default_prepare_batch
from monai.inferers import Inferer
from monai.transforms import Transform
from torch import nn

from common.io import load_weights
from common.transforms import GUIDANCE, guidance_of

from .workflow import check_started


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
        InputError: if they do not fit, and see `check_started`.
    """
    check_started()
    if checkpoint is not None:
        load_weights(network, checkpoint, checkpoint_key)
    evaluator = SupervisedEvaluator(
        device=torch.device(device),
        val_data_loader=DataLoader(dataset),
        network=network,
        inferer=inferer,
        postprocessing=postprocessing,
        prepare_batch=prepare_guided_batch,
    )
    evaluator.postprocessing = postprocessing  # type: ignore[attr-defined]  # what results are made of counts it
    return evaluator


def prepare_guided_batch(batch: dict[str, Any], *to: Any, **how: Any) -> Any:
    """Give the network's ``image`` and, where something steers the registration, ``guidance`` for the inferer.

    Args:
        batch: of one pair, see `common.transforms.GuidePaird`.
        to: as MONAI's `default_prepare_batch` takes it.
        how: likewise.

    Returns:
        As MONAI's engines take it: input and target alone, or these and arguments of the inferer.
    """
    prepared = default_prepare_batch(batch, *to, **how)
    given = {key: batch[key][0] for key in GUIDANCE if key in batch}
    if not given:
        return prepared
    return *prepared, (), {"guidance": guidance_of(given, prepared[0].device)}
