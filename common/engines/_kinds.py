"""What the annotation of an argument says of a value in a config: whether it fits, and what it means."""

import types
from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from ._components import is_component, kind_of
from .knobs import NULL, WORDS, is_built, is_literal, is_number

TAKEN: dict[type, type] = {float: int, Path: str}  # for these as well
NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "a word", Path: "a name"}


def meaning(value: Any, kind: Any) -> Any:
    """The words true, false and null of a command line as what they mean to an argument of this kind."""
    kinds = _options(kind)
    if isinstance(value, str) and bool in kinds:
        value = WORDS.get(value.lower(), value)
    if isinstance(value, str) and type(None) in kinds and value.lower() in NULL:
        return None
    return value


def fits(value: Any, kind: Any) -> bool:
    """Whether a value may be of a kind; expressions, and kinds that are not known here, are any."""
    if is_component(value):
        made = kind_of(value)
        return made is None or any(_is_kind_of(made, option) for option in _options(kind))
    if is_built(value) or not is_literal(value):
        return True
    return any(_fits(value, option) for option in _options(kind))


def describe(kind: Any) -> str:
    """A kind in words."""
    told = dict.fromkeys(_describe(option) for option in _options(kind))
    return " or ".join(told)


def _options(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)


def _fits(value: Any, kind: Any) -> bool:
    origin = get_origin(kind) or kind
    if origin is Literal:
        return value in get_args(kind)
    if kind in (int, float):
        return is_number(value, whole=kind is int)
    if kind is Path:
        return isinstance(value, str)
    if not isinstance(origin, type) or issubclass(origin, Enum):
        return True
    if issubclass(origin, Collection) and not issubclass(origin, str | Mapping):
        return isinstance(value, list | tuple) and all(fits(each, part) for each, part in _parts(value, kind))
    try:
        return isinstance(value, origin) or not isinstance(value, bool | int | float | str | None)
    except TypeError:  # a protocol
        return True


def _is_kind_of(made: type, kind: Any) -> bool:
    """Whether a class may be what an annotation names; a function may promise less than it gives."""
    origin = get_origin(kind) or kind
    if origin is Any or not isinstance(origin, type):
        return True
    if origin in (Sequence, list, tuple) and hasattr(made, "__getitem__"):
        return True
    try:
        return issubclass(made, (origin, TAKEN.get(origin, origin))) or issubclass(origin, made)
    except TypeError:  # a protocol
        return True


def _parts(value: Any, kind: Any) -> list[tuple[Any, Any]]:
    """The items of a list, and what each of them is to be."""
    kinds = get_args(kind)
    if get_origin(kind) is tuple and Ellipsis not in kinds and len(kinds) == len(value):
        return list(zip(value, kinds, strict=True))
    return [(each, kinds[0] if kinds else Any) for each in value]


def _describe(kind: Any) -> str:
    origin = get_origin(kind) or kind
    if origin is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if kind is type(None):
        return "null"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a dictionary"
    if isinstance(origin, type) and issubclass(origin, Collection) and origin is not str:
        inner = describe(get_args(kind)[0]) if get_args(kind) else ""
        return f"a list of {inner[2:]}s" if inner in NAMES.values() else "a list"
    known = NAMES.get(kind, "a component")
    return known if kind in NAMES or not isinstance(origin, type) else f"{known} of the kind {origin.__name__}"
