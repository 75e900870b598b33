"""MONAI's trainer and evaluator as every training of this project has them.

What a config says of them is what differs: network, loss, data, inferer, metrics, handlers.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from monai.inferers import Inferer
from torch import device as Device
from torch import nn
from torch.optim import Optimizer

from common.io import InputError, load_weights

from .batch import prepare_pair_batch
from .workflow import check_started


def training_engine(
    network: nn.Module,
    loss: Callable[..., Any],
    optimizer: Optimizer,
    dataloader: Iterable[Any],
    inferer: Inferer,
    max_epochs: int,
    train_handlers: Sequence[Any] = (),
    amp: bool = False,
    prepare_batch: Callable[..., Any] = prepare_pair_batch,
) -> SupervisedTrainer:
    """Build the trainer.

    Args:
        network: on its device, see `place_network`.
        loss: of the network's answer and of what `prepare_batch` gives.
        optimizer: of the network.
        dataloader: of the training.
        inferer: how the network is called.
        max_epochs: how many.
        train_handlers: see `TrainingHandlers`.
        amp: mixed precision: MONAI's on a GPU, bfloat16 on a CPU, where its own does nothing; the loss stays in float32
            there. Processors without instructions for bfloat16 get slower by it.
        prepare_batch: of pairs, or of cases.

    Raises:
        InputError: see `check_started`.
    """
    check_started()
    device = _device(network)
    if amp and device.type == "cpu":
        inferer, amp = torch.autocast("cpu", torch.bfloat16)(inferer), False
    trainer = SupervisedTrainer(
        device=device,
        max_epochs=max_epochs,
        train_data_loader=dataloader,
        network=network,
        optimizer=optimizer,
        loss_function=loss,
        inferer=inferer,
        prepare_batch=prepare_batch,
        amp=amp,
        optim_set_to_none=True,  # what a step has not used stands still: momentum, too
    )
    for handler in train_handlers:  # only now: MONAI attaches them to a trainer that has no network yet
        handler.attach(trainer)
    return trainer


def validation_engine(
    network: nn.Module,
    dataloader: Iterable[Any],
    inferer: Inferer,
    metrics: Mapping[str, Any],
    val_handlers: Sequence[Any] = (),
    metric_cmp_fn: Callable[..., Any] = operator.gt,
    prepare_batch: Callable[..., Any] = prepare_pair_batch,
    checkpoint: str | Path | None = None,
    checkpoint_key: str | None = None,
) -> SupervisedEvaluator:
    """Build the evaluator of a validation, or of an evaluation.

    Args:
        network: on its device, see `place_network`.
        dataloader: of the validation.
        inferer: how the network is called.
        metrics: by name, see `registration_metrics`; the first one says which weights are the best.
        val_handlers: see `ValidationHandlers`.
        metric_cmp_fn: whether the first of two values is the better one.
        prepare_batch: of pairs, or of cases.
        checkpoint: weights of an evaluation, see `common.io.load_weights`; None where the network is in training.
        checkpoint_key: name of the network in a file of several.

    Raises:
        FileNotFoundError: if there are no such weights.
        InputError: if they do not fit the network, or there are no metrics.
    """
    if not metrics:
        raise InputError(
            "validation_engine() expects 'metrics' with one or more, the first for the best weights, got none."
        )
    if checkpoint is not None:
        load_weights(network, checkpoint, checkpoint_key)
    return SupervisedEvaluator(
        device=_device(network),
        val_data_loader=dataloader,
        network=network,
        inferer=inferer,
        prepare_batch=prepare_batch,
        key_val_metric=dict(metrics),
        val_handlers=val_handlers,
        metric_cmp_fn=metric_cmp_fn,
        decollate=False,
    )


def _device(network: nn.Module) -> Device:
    return next(network.parameters()).device
