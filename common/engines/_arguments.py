"""What the components of a config take: a misspelt argument would be a traceback of MONAI's parser."""

from collections.abc import Mapping
from difflib import get_close_matches
from inspect import Parameter, signature
from pydoc import locate
from typing import Any

from common.io import InputError

OWN = "common."


def check_arguments(config: Any, place: str) -> None:
    """Make sure that the components of this project are given arguments that they have.

    Args:
        config: what is at a place of a config, not resolved.
        place: its name as the command line has it.

    Raises:
        InputError: if a component has no such argument.
    """
    if isinstance(config, Mapping):
        target = config.get("_target_")
        if isinstance(target, str) and target.startswith(OWN) and (taken := _taken(target)):
            for name in config:
                if name not in taken and not name.startswith("_"):
                    close = get_close_matches(name, taken, n=1) or taken
                    raise InputError(f"--{place}#{name} is not an option here: {target} takes {', '.join(close)}.")
        for name, part in config.items():
            check_arguments(part, f"{place}#{name}")
    elif isinstance(config, list | tuple):
        for number, part in enumerate(config):
            check_arguments(part, f"{place}#{number}")


def _taken(target: str) -> list[str]:
    """The arguments of a component; none if it takes any, or is not there, which the parser tells."""
    found = locate(target)
    parameters = signature(found).parameters.values() if callable(found) else ()
    return [] if any(each.kind is Parameter.VAR_KEYWORD for each in parameters) else [each.name for each in parameters]
