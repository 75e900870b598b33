"""What the ``_target_`` of a config names, and what kind of object that makes."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pydoc import locate
from types import UnionType
from typing import Any, get_origin, get_type_hints

MONAI = ("data", "transforms", "inferers", "losses", "handlers", "networks.nets")  # where short names are looked up


@cache
def find_component(target: str) -> Any:
    """The class or function of a name; None where there is none, which the parser tells."""
    if "." in target:
        return locate(target)
    modules = (import_module(f"monai.{room}") for room in MONAI)
    return next((getattr(module, target) for module in modules if hasattr(module, target)), None)


def is_component(config: Any) -> bool:
    """Whether the parser makes an object of it by a name."""
    return isinstance(config, Mapping) and isinstance(config.get("_target_"), str)


def kind_of(config: Mapping[str, Any]) -> type | None:
    """The class of what a component makes; None where that is not known, as of functions that do not say."""
    if "_mode_" in config or "_disabled_" in config:
        return None
    found = find_component(config["_target_"])
    if callable(found) and not isinstance(found, type):
        try:
            found = get_type_hints(found).get("return")
        except (NameError, TypeError):  # annotations that cannot be told from outside
            return None
        found = None if isinstance(found, UnionType) else get_origin(found) or found
    return found if isinstance(found, type) else None
