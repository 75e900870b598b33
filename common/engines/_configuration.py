"""What a configuration comes to: settings deep inside count, too, whichever way they were given."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

PASSING = ("training", "R", "bytes_per_voxel", "slices_at_once", "output_dir")  # what a result does not depend on


def configuration_digest(*parts: Any) -> str:
    """Describe networks, transforms and inferers by their classes and public attributes, all the way down.

    Weights do not count, they have a file of their own; nor does where something is computed.
    """
    return hashlib.sha256(json.dumps(_describe(parts), sort_keys=True).encode()).hexdigest()


def _describe(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): _describe(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_describe(each) for each in value]
    if isinstance(value, Path):
        return str(value)
    kind = value if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")) else type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if kind is value or name.startswith(("torch.Tensor", "torch.device", "numpy", "monai.data")):
        return name
    members = {
        key: each for key, each in getattr(value, "__dict__", {}).items() if key[0] != "_" and key not in PASSING
    }
    children = dict(value.named_children()) if isinstance(value, nn.Module) else {}
    return {name: _describe({**members, **children})}
