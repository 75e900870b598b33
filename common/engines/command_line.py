"""What a bundle's command line is checked for before any work, and how a mistake is told: in one sentence."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigParser
from monai.engines import Workflow

from common.data import both_directions, cine_pairs, pairs_or_built_in
from common.io import fresh_folder
from common.networks.nets import FEATURES

from .path_option import check_folder_name, check_path_options, restore_name

DIRECTIONS = ("forward", "both")
RUN_OPTIONS = {
    "run_id",
    "init_id",
    "final_id",
    "meta_file",
    "config_file",
    "logging_file",
    "tracking",
    "args_file",
    "workflow_type",
    "properties_path",
    "help",
}


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn a user's mistake into its sentence on stderr and exit code 1, without a traceback."""
    try:
        yield
    except (ValueError, TypeError, OSError, RuntimeError, MemoryError) as error:
        raise SystemExit(f"Error: {sentence(error)}") from None


def sentence(error: BaseException) -> str:
    """The message of the mistake at the bottom of a chain of errors, on one line."""
    while error.__cause__ is not None and not isinstance(error, OSError | ValueError | TypeError):
        error = error.__cause__
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or "can't allocate memory" in str(error):
        return "There is not enough memory for this pair: choose a coarser spacing."
    if "loading state_dict" in str(error):
        return "The weights of --checkpoint are of another network: give the options they were trained with."
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    return " ".join(str(error).split()) or type(error).__name__


def check_options(
    output_dir: str | Path,
    device: str | torch.device,
    features: str | None = None,
    checkpoint: str | Path | None = None,
    checkpoint_key: str | None = None,
) -> None:
    """Check what was given on the command line, before anything is read or computed.

    Args:
        output_dir: folder of the results; made if it is not there.
        device: where to compute.
        features: see `common.networks.nets.select_features`; None where a bundle has no choice of them.
        checkpoint: weights; needed unless the features do without.
        checkpoint_key: name of the network in a file of several.

    Raises:
        SystemExit: with one sentence, if an option or feature is unknown, the weights or the device are not there or
            the folder cannot be written.
    """
    with one_sentence():
        _check_names(sys.argv)
        check_folder_name("output_dir", output_dir)
        if features not in (None, *FEATURES):
            raise ValueError(f"--features is expected to be one of {', '.join(FEATURES)}, got {features}.")
        if features in (None, "trained") and checkpoint is not None and not Path(checkpoint).is_file():
            way = "use --features mind or random" if features else "give --checkpoint, or train them with train.json"
            raise FileNotFoundError(f"There are no trained weights at {checkpoint}: {way}.")
        if checkpoint is not None and checkpoint_key is not None:
            _check_key(checkpoint, checkpoint_key)
        check_device(device)
        _check_folder(Path(output_dir))


def _check_key(checkpoint: str | Path, key: str) -> None:
    """Make sure that a file of several networks has the one; a file of one network has no names."""
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True)
        networks = [name for name, value in content.items() if isinstance(value, Mapping)]
    except Exception as error:  # every damage raises its own kind of error
        raise ValueError(f"{checkpoint} cannot be read as the weights of a network.") from error
    if networks and key not in networks:
        raise ValueError(
            f"There is no network {key} in {checkpoint}: --checkpoint_key is one of {', '.join(networks)}."
        )


def check_device(device: str | torch.device) -> torch.device:
    """Make sure that a device is there.

    Raises:
        ValueError: if it is not.
    """
    try:
        device = torch.device(device)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {device} is not available on this machine: use --device cpu.") from error
    return device


def _check_folder(folder: Path) -> None:
    """Find out by writing: permission bits say nothing to an administrator."""
    try:
        with fresh_folder(folder):
            pass
    except OSError as error:
        raise OSError(f"--output_dir {folder} cannot be written: {error.strerror}.") from error


def _check_names(arguments: Sequence[str]) -> None:
    """Compare the options of a `monai.bundle run` with the ids of its config files."""
    if "monai" not in arguments[0] or "run" not in arguments[1:2]:
        return
    names = [argument[2:].split("=")[0] for argument in arguments[2:] if argument.startswith("--")]
    files = config_files(arguments)
    if not files:
        return
    check_path_options(arguments[2:])
    known = set(ConfigParser.load_config_files(files)) | RUN_OPTIONS
    for name in names:
        if name.split("#")[0].split("::")[0] not in known:
            close = get_close_matches(name, known, n=1)
            hint = f" Did you mean --{close[0]}?" if close else ""
            raise ValueError(f"--{name} is not an option of this bundle.{hint}")


def config_files(arguments: Sequence[str]) -> list[str]:
    """The config files named on a `monai.bundle` command line."""
    for option, value in zip_longest(arguments, arguments[1:], fillvalue=""):
        name, _, joined = option.partition("=")
        if name == "--config_file":
            return [file.strip(" '\"") for file in (joined or value).strip("[]").split(",")]
    return []


def bundle_root() -> str:
    """Folder of the bundle that is run from the command line, so that it works from any directory; else "."."""
    files = config_files(sys.argv)
    return str(Path(files[0]).parent.parent) if files else "."


def command_line_pairs(
    output_dir: str | Path,
    direction: str = "forward",
    cine: str | Path | None = None,
    label: str | Path | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Collect the pairs to register, see `common.data.pairs_or_built_in`; a mistake ends the run with its sentence.

    Args:
        output_dir: folder of the results.
        direction: "forward", or "both" to register every pair the other way round as well.
        cine: scan of a cycle, whose phases are registered to each other; see `common.data.cine_pairs`.
        label: label map of the cine.
        options: ``datalist`` or one pair, key by key; with ``cine`` the ``fixed_phase`` and ``moving_phase``.

    Raises:
        SystemExit: with one sentence, if the list, the pair, the cine or the direction cannot be used.
    """
    with one_sentence():
        if direction not in DIRECTIONS:
            raise ValueError(f"--direction is expected to be one of {', '.join(DIRECTIONS)}, got {direction}.")
        cine, label = restore_name(cine), restore_name(label)
        options = {name: restore_name(value) for name, value in options.items()}
        if cine is not None:
            return _cine_pairs(cine, label, direction, options)
        if label is not None:
            raise ValueError("--label is that of a --cine: for a pair give --fixed_label and --moving_label.")
        pairs = pairs_or_built_in(output_dir, **options)
        return pairs if direction == "forward" else both_directions(pairs)


def _cine_pairs(
    cine: str | Path, label: str | Path | None, direction: str, options: Mapping[str, Any]
) -> list[dict[str, Any]]:
    phases = {name: options.get(name) for name in ("fixed_phase", "moving_phase")}
    others = {name for name, value in options.items() if value is not None} - {*phases, "phantom"}
    if others:
        names = ", ".join(f"--{name}" for name in sorted(others))
        raise ValueError(f"Give either --cine or other files, got --cine and {names}; its label map is --label.")
    if direction != "forward":
        raise ValueError("--direction both is for pairs: with --cine set --fixed_phase or --moving_phase to all.")
    return cine_pairs(cine, label=label, **phases)


def run_engine(engine: Workflow) -> None:
    """Run a trainer or an evaluator.

    Args:
        engine: of MONAI.

    Raises:
        SystemExit: with one sentence, if it fails.
    """
    with one_sentence():
        engine.run()
