"""What MONAI does not tell the entries of a config: where their bundle is, and whose mistake an error is.

An entry is instantiated by the parser of its config, and that is called by a workflow: both are found up the stack.
`sys.argv` would know the command line alone, not `monai.bundle.run`, `load`, an `--args_file` or `MonaiAlgo`.
"""

import inspect
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import torch
from monai.bundle import ConfigParser, ConfigWorkflow, scripts
from monai.utils import ensure_tuple

MISTAKES = (ValueError, TypeError, OSError, RuntimeError, MemoryError)
RAISED = re.compile(r"^([A-Za-z_][\w.]*): (.+)$", re.MULTILINE)  # in the text of a traceback, the deepest first
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
    and exit code 1; in Python the ValueError, FileNotFoundError or the like at the bottom is raised. Nothing but this
    parser is changed. Belongs first in ``initialize``.
    """
    parser = calling(ConfigParser)
    if parser is None or "get_parsed_content" in vars(parser):
        return
    resolve = parser.get_parsed_content

    def get_parsed_content(*args: Any, **kwargs: Any) -> Any:
        try:
            return resolve(*args, **kwargs)
        except (*MISTAKES, ImportError, SyntaxError) as error:  # these two: MONAI does not wrap them
            found = mistake(error)
            if not on_command_line() and not isinstance(found, MISTAKES):
                raise  # a mistake of ours
        if on_command_line():
            raise SystemExit(f"Error: {sentence(found)}")
        raise found  # out here, so that it has no context but its own cause

    vars(parser)["get_parsed_content"] = get_parsed_content


@contextmanager
def one_sentence() -> Iterator[None]:
    """Turn a user's mistake on a command line into its sentence on stderr and exit code 1, without a traceback."""
    try:
        yield
    except MISTAKES as error:
        raise SystemExit(f"Error: {sentence(error)}") from None


def mistake(error: BaseException) -> BaseException:
    """The error at the bottom of a chain: what MONAI and PyTorch wrap around it says nothing to a user."""
    while error.__cause__ is not None and not isinstance(error, OSError | ValueError | TypeError):
        error = error.__cause__
    return error


def sentence(error: BaseException) -> str:
    """The message of the mistake at the bottom of a chain of errors, on one line.

    Two are told by their text, since PyTorch raises a plain RuntimeError for them.
    """
    error = mistake(error)
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError) or "can't allocate memory" in str(error):
        return "There is not enough memory for this pair: choose a coarser spacing."
    if "loading state_dict" in str(error):
        return "The weights of --checkpoint are of another network: give the options they were trained with."
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    text = " ".join(str(error).split())
    if "in DataLoader worker process" in text:
        return _raised_in_worker(str(error)) or text
    return text if isinstance(error, MISTAKES) and text else f"{type(error).__name__}: {text}".removesuffix(": ")


def _raised_in_worker(text: str) -> str:
    """The message of the mistake where PyTorch hands on nothing but the text of a traceback."""
    raised = RAISED.findall(text)
    mistakes = [message for kind, message in raised if kind != "RuntimeError"]
    return mistakes[-1] if mistakes else "".join(message for _, message in raised[:1])
