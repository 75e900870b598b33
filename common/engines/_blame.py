"""Whose mistake an error in a config is: the user's, if a part of it that is not as the bundle has it did not do."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from monai.bundle import ConfigParser, ConfigWorkflow
from monai.bundle.config_item import ConfigComponent, ConfigExpression

from common.io import InputError

from ._arguments import part_at
from ._components import is_component
from ._config_files import read_files
from ._references import references


def blame(error: BaseException, parser: ConfigParser, workflow: ConfigWorkflow | None) -> InputError | None:
    """Find out whether an error is that of a part which a user gave or changed.

    That is the component or expression that cannot be built; an object that was at work, made by another component than
    the bundle has there; or such an object of which one is built.

    Args:
        error: that the parser raised.
        parser: of the config.
        workflow: of the parser.

    Returns:
        The mistake, with the error as its cause; None where the parts are the bundle's own: then the error is ours.
    """
    if workflow is None:
        return None
    owners = list(_owners(error))
    items = [item.get_id() for item in owners if isinstance(item, ConfigComponent | ConfigExpression)][-1:]
    config: dict[str, Any] = parser.get()
    files = read_files(Path(workflow.config_root_path), config)
    work = {workflow.init_id, workflow.run_id, workflow.final_id, *references(config.get(workflow.init_id))}
    own = {_text(part) for part in _parts(files)}
    given = [place for place in items if place.split("::")[0] not in work and _text(parser.get(place)) not in own]
    made = parser.ref_resolver.resolved_content
    used = [place for owner in reversed(owners) for place in made if owner is not None and made[place] is owner]
    used += [name for place in items for name in sorted(references(parser.get(place)))]
    told = [f"--{place} cannot be used as it is given" for place in given]
    told += [
        f"--{place} cannot be used in place of {replaced}"
        for place in used
        if (replaced := _replaced(place, config, files)) is not None
    ]
    if not told:
        return None
    bottom = error
    while bottom.__cause__ is not None:
        bottom = bottom.__cause__
    why = f"{type(bottom).__name__}: {' '.join(str(bottom).split())}"
    mistake = InputError(f"{told[0].replace('::', '#')}: {why}")
    mistake.__cause__ = error
    return mistake


def _replaced(place: str, config: Mapping[str, Any], files: Sequence[Mapping[str, Any]]) -> str | None:
    """What the bundle's files have at a place where there is another component now; None where there is none."""
    part, *others = (part_at(place.split("::"), content) for content in (config, *files))
    targets = [other["_target_"] for other in others if is_component(other)]
    if not is_component(part) or part["_target_"] in targets:
        return None
    return targets[0] if targets else "what is there"


def _owners(error: BaseException) -> Iterator[Any]:
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
