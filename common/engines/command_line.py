"""What the options of a bundle are checked for before any work, and the pairs they name."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from common.data import OnDemand, both_directions, cine_pairs, pairs_or_built_in
from common.handlers import newest_checkpoint
from common.io import InputError, fresh_folder, read_weights
from common.networks.nets import FEATURES

from .bundle_segmenter import WEIGHTS, segmenter_weights
from .path_option import check_folder_name, restore_name

DIRECTIONS = ("forward", "both")


def check_options(
    output_dir: str | Path,
    device: str | torch.device,
    features: str | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_key: str | None = None,
    segmenter: str | Path | None = None,
) -> None:
    """Check what was given for a run, before anything is read or computed.

    Args:
        output_dir: folder of the results; made only when there are some.
        device: where to compute.
        features: see `common.networks.nets.select_features`; None where a bundle has no choice of them.
        checkpoint: weights; needed unless the features do without.
        checkpoint_key: name of the network in a file of several.
        segmenter: see `load_segmenter`; needed for the features "segmentation" alone.

    Raises:
        InputError: if a feature or a network in the file is unknown, or the device is not there.
        FileNotFoundError: if weights are not there.
        OSError: if the folder cannot be written.
    """
    if features not in (None, *FEATURES):
        raise InputError(f"--features is expected to be one of {', '.join(FEATURES)}, got {features}.")
    if features in ("random", "trained") and checkpoint is None:
        raise InputError(f"--features {features} is of the network in the overlay configs/variants/paper.json: add it.")
    if (features == "segmentation") != (segmenter is not None):
        raise InputError("--features segmentation and --segmenter, the folder of a bundle, need one another.")
    if segmenter is not None:
        segmenter_weights(segmenter)
    check_device(device)
    if features in (None, "trained") and checkpoint is not None:
        if not Path(checkpoint).is_file():
            way = "use --features mind or random" if features else "give --checkpoint, or train them"
            newest = newest_checkpoint(Path(checkpoint).parent) if Path(checkpoint).name == WEIGHTS else None
            if newest is not None:
                way = f"no validation has chosen some yet, the newest of the training there are --checkpoint {newest}"
            raise FileNotFoundError(f"There are no trained weights at {checkpoint}: {way}.")
        read_weights(checkpoint, checkpoint_key)
    check_folder("output_dir", output_dir)


def check_device(device: str | torch.device) -> torch.device:
    """Make sure that a device is there.

    Raises:
        InputError: if it is not.
    """
    try:
        found = torch.device(device)
        torch.zeros(1, device=found).item()  # "meta" computes nothing
    except (RuntimeError, AssertionError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"--device {device} is not available on this machine: use --device cpu.") from error
    return found


def check_folder(name: str, folder: str | Path) -> None:
    """Make sure that a folder can be written: by writing, which leaves nothing.

    Permission bits say nothing to an administrator.

    Args:
        name: of the option.
        folder: need not be there.

    Raises:
        InputError: if a config cannot hold its name.
        OSError: if it cannot be written.
    """
    check_folder_name(name, folder)
    try:
        whole = Path(folder).resolve()
        there = next(each for each in (whole, *whole.parents) if each.exists())
        with fresh_folder(there) as part:
            (part / whole.relative_to(there)).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"--{name} {folder} cannot be written: {error.strerror}.") from error


def command_line_pairs(
    folder: str | Path,
    direction: str = "forward",
    cine: str | Path | None = None,
    label: str | Path | None = None,
    **options: Any,
) -> Sequence[dict[str, Any]]:
    """Collect the pairs to register, see `common.data.pairs_or_built_in`.

    Args:
        folder: where the built-in pair is written, once it is registered.
        direction: "forward", or "both" to register every pair the other way round as well.
        cine: scan of a cycle, whose phases are registered to each other; see `common.data.cine_pairs`.
        label: label map of the cine.
        options: ``datalist`` or one pair, key by key; with ``cine`` the ``fixed_phase`` and ``moving_phase``.

    Raises:
        InputError: if the list, the pair, the cine or the direction cannot be used.
        FileNotFoundError: if the list or the cine is not there.
    """
    if direction not in DIRECTIONS:
        raise InputError(f"--direction is expected to be one of {', '.join(DIRECTIONS)}, got {direction}.")
    cine, label = restore_name(cine), restore_name(label)
    options = {name: restore_name(value) for name, value in options.items()}
    if cine is not None:
        return _cine_pairs(cine, label, direction, options)
    if label is not None:
        raise InputError("--label is that of a --cine: for a pair give --fixed_label and --moving_label.")
    pairs = pairs_or_built_in(folder, **options)
    return pairs if direction == "forward" else OnDemand(partial(both_directions, pairs), 2 * len(pairs))


def _cine_pairs(
    cine: str | Path, label: str | Path | None, direction: str, options: Mapping[str, Any]
) -> list[dict[str, Any]]:
    phases = {name: options.get(name) for name in ("fixed_phase", "moving_phase")}
    others = {name for name, value in options.items() if value is not None} - {*phases, "phantom"}
    if others:
        names = ", ".join(f"--{name}" for name in sorted(others))
        raise InputError(f"Give either --cine or other files, got --cine and {names}; its label map is --label.")
    if direction != "forward":
        raise InputError("--direction both is for pairs: with --cine set --fixed_phase or --moving_phase to all.")
    return cine_pairs(cine, label=label, **phases)
