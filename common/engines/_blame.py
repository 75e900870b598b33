"""Whose mistake it is that a part of a config cannot be built: the user's, if the part is not as the bundle has it."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow
from monai.bundle.config_item import ConfigComponent, ConfigExpression

from common.io import InputError

from ._config_files import read_files
from ._references import references


def blame(error: BaseException, parser: ConfigParser, workflow: ConfigWorkflow | None) -> InputError | None:
    """Find out whether an error is that of a component or an expression which a user gave or changed.

    Args:
        error: that the parser raised.
        parser: of the config.
        workflow: of the parser.

    Returns:
        The mistake; None where the part is one of the bundle's own, or does the work: then the error is ours.
    """
    items = [item for item in _items(error) if isinstance(item, ConfigComponent | ConfigExpression)]
    if not items or workflow is None:
        return None
    place = items[-1].get_id()
    config: dict[str, Any] = parser.get()
    work = {workflow.init_id, workflow.run_id, workflow.final_id, *references(config.get(workflow.init_id))}
    files = read_files(Path(workflow.config_root_path), config)
    if place.split("::")[0] in work or _text(parser.get(place)) in {_text(part) for part in _parts(files)}:
        return None
    while error.__cause__ is not None:
        error = error.__cause__
    told = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return InputError(f"--{place.replace('::', '#')} cannot be used as it is given: {told}")


def _items(error: BaseException) -> Iterator[Any]:
    """The objects whose methods were under way, the innermost last."""
    cause: BaseException | None = error
    while cause is not None:
        frame: TracebackType | None = cause.__traceback__
        while frame is not None:
            yield frame.tb_frame.f_locals.get("self")
            frame = frame.tb_next
        cause = cause.__cause__


def _parts(config: Any) -> Iterator[Any]:
    """A config and all that is in it."""
    yield config
    if isinstance(config, dict | list):
        for part in config.values() if isinstance(config, dict) else config:
            yield from _parts(part)


def _text(part: Any) -> str:
    """The same for the same, also where the parser has changed how ids are written."""
    return json.dumps(part, sort_keys=True, default=str).replace("#", "::")
