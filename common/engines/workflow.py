"""What MONAI does not tell the entries of a config: where their bundle is, and whose mistake an error is.

An entry is instantiated by the parser of its config, and that is called by a workflow: both are found up the stack.
`sys.argv` would know the command line alone, not `monai.bundle.run`, `load`, an `--args_file` or `MonaiAlgo`.
"""

import inspect
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import torch
from monai.bundle import ConfigParser, ConfigWorkflow, scripts
from monai.utils import ensure_tuple

from common.io import InputError, find_mistake

from ._blame import blame
from ._references import texts

ENTRY_ERRORS = (ImportError, SyntaxError)  # of an entry that names nothing there is, or is no Python
Kind = TypeVar("Kind")


def _frames() -> Iterator[FrameType]:
    frame = inspect.currentframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def calling(kind: type[Kind]) -> Kind | None:
    """The innermost object of a class one of whose methods is being called right now; None where there is none."""
    owners = (frame.f_locals.get("self") for frame in _frames())
    return next((owner for owner in owners if isinstance(owner, kind)), None)


def bundle_root() -> str:
    """Absolute path of the bundle whose config is being resolved, wherever it was started; "." where none can be known.

    That is the folder above the ``configs`` of the first config file of the workflow, or of what MONAI exports.
    """
    workflow = calling(ConfigWorkflow)
    if workflow is not None:
        folder = Path(workflow.config_root_path)
    else:
        exported = (f.f_locals.get("config_file_") for f in _frames() if f.f_globals is vars(scripts))
        files = next((ensure_tuple(files) for files in exported if files), None)
        if files is None:
            return "."
        folder = Path(files[0]).parent
    return os.path.abspath(folder.parent if folder.name == "configs" else folder)


def on_command_line() -> bool:
    """Whether this program is `python -m monai.bundle`."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    return spec is not None and spec.name == "monai.bundle.__main__"


def raise_mistakes() -> None:
    """From now on, let the parser of the calling config raise the user's mistakes as what they are.

    MONAI wraps every error of an entry in a RuntimeError. On the command line a mistake becomes its sentence on stderr
    and exit code 1; in Python the InputError, FileNotFoundError or the like is raised. Any other error keeps what is
    around it. Nothing but this parser is changed. Belongs first in ``initialize``.
    """
    parser = calling(ConfigParser)
    if parser is None or "get_parsed_content" in vars(parser):
        return
    resolve = parser.get_parsed_content

    def get_parsed_content(*args: Any, **kwargs: Any) -> Any:
        try:
            return resolve(*args, **kwargs)
        except Exception as error:
            found = find_mistake(error) or blame(error, parser, calling(ConfigWorkflow))
            found = found or (error if isinstance(error, ENTRY_ERRORS) else None)
            if found is None:
                raise
        if on_command_line():
            raise SystemExit(f"Error: {sentence(found)}")
        raise found  # out here, so that it has no context but its own cause

    vars(parser)["get_parsed_content"] = get_parsed_content


def check_started() -> None:
    """Make sure that the entries of ``initialize`` of the calling config are its own still: they check its options.

    Without them nobody tells mistakes: on the command line this one is told here.

    Raises:
        InputError: if mistakes are not raised as what they are, see `raise_mistakes`.
    """
    parser, workflow = calling(ConfigParser), calling(ConfigWorkflow)
    if parser is None or workflow is None or "get_parsed_content" in vars(parser):
        return
    given = parser.get(workflow.init_id)
    if f"{__package__}.{raise_mistakes.__name__}" in texts(given):  # these are here, and have not been run
        return
    message = (
        f"--{workflow.init_id} is expected to keep the entries of the bundle, which check its options, got {given}: "
        f"further ones are added with +{workflow.init_id}."
    )
    if on_command_line():
        raise SystemExit(f"Error: {message}")
    raise InputError(message)


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn a user's mistake on a command line into its sentence on stderr and exit code 1, without a traceback."""
    try:
        yield
    except Exception as error:
        if find_mistake(error) is None:
            raise
        raise SystemExit(f"Error: {sentence(error)}") from None


def sentence(error: BaseException) -> str:
    """The message of the mistake in a chain of errors, or else of the error at its bottom, on one line."""
    found = find_mistake(error)
    if isinstance(found, MemoryError | torch.cuda.OutOfMemoryError):
        return "There is not enough memory: choose a coarser spacing, or in training a smaller batch or spatial size."
    if isinstance(found, OSError) and found.filename:
        return f"{found.filename}: {found.strerror}."
    while found is None and error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(found or error).split())
    return text if found and text else f"{type(found or error).__name__}: {text}".removesuffix(": ")
