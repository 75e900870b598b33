"""What the components of a config take: a misspelt argument, or a word for a number, would be a traceback.

Those of this project say what they take in their annotations, as do MONAI's and PyTorch's.
"""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from inspect import Parameter, signature
from typing import Any, get_type_hints

from common.io import InputError

from ._components import find_component, is_component
from ._kinds import describe, fits, meaning
from .knobs import short

REFERENCE = re.compile(r"@([\w:#]+)")


def check_arguments(config: Any, place: str, whole: Mapping[str, Any] | None = None) -> Any:
    """Make sure that components are given arguments that they have, of the kinds they say.

    Args:
        config: what is at a place of a config, not resolved.
        place: its name as the command line has it.
        whole: the config, for what arguments refer to.

    Returns:
        The same; where words of a command line mean something else, a copy with that.

    Raises:
        InputError: if a component has no such argument, or takes another kind of value.
    """
    if isinstance(config, list | tuple):
        items = [check_arguments(part, f"{place}#{number}", whole) for number, part in enumerate(config)]
        return items if any(new is not old for new, old in zip(items, config, strict=True)) else config
    if not isinstance(config, Mapping):
        return config
    target = config.get("_target_")
    taken = _taken(target) if isinstance(target, str) else None
    parts = {}
    for name, part in config.items():
        parts[name] = check_arguments(part, f"{place}#{name}", whole)
        if taken is not None and not str(name).startswith("_"):
            if taken and name not in taken:
                close = get_close_matches(str(name), taken, n=1) or taken
                raise InputError(f"--{place}#{name} is not an option here: {target} takes {', '.join(close)}.")
            parts[name] = _check_kind(parts[name], taken.get(name, bool | Any), f"{place}#{name}", whole or {})
    return parts if any(parts[name] is not config[name] for name in parts) else config


def _check_kind(value: Any, kind: Any, place: str, whole: Mapping[str, Any]) -> Any:
    value = meaning(value, kind)
    meant, named = value, place
    while isinstance(meant, str) and (reference := REFERENCE.fullmatch(meant)):  # to something inside of a part
        named = reference[1].replace("::", "#")
        meant = part_at(named.split("#"), whole)
    if (named == place or "#" in named or is_component(meant)) and not fits(meant, kind):
        use = "" if named == place or "#" in named else f" as --{place}"
        raise InputError(f"--{named} is expected to be {describe(kind)}{use}, got {short(meant)}.")
    return value


def part_at(place: Sequence[str], part: Any) -> Any:
    """What is at a place of a config; nowhere it is ``...``, which is no literal and fits."""
    for name in place:
        if isinstance(part, list | tuple) and name.isdecimal() and int(name) < len(part):
            part = part[int(name)]
        else:
            part = part.get(name, ...) if isinstance(part, Mapping) else ...
    return part


@cache
def _taken(target: str) -> dict[str, Any]:
    """The arguments of a component and their kinds; none if it takes any, or is not there, which the parser tells."""
    found = find_component(target)
    if not callable(found):
        return {}
    hints: dict[str, Any] = {}
    try:
        parameters = signature(found).parameters.values()
        for annotated in (found, getattr(found, "__init__", None)) if isinstance(found, type) else (found,):
            hints |= get_type_hints(annotated)
    except ValueError:  # a function in C
        return {}
    except (NameError, TypeError):  # annotations that cannot be told from outside
        pass
    if any(each.kind in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL) for each in parameters):
        return {}
    return {each.name: hints.get(each.name, Any) for each in parameters}
