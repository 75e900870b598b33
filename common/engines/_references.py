"""What the text in a config refers to."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

REFERENCE = re.compile(r"@(\w+)")


def references(config: Any) -> set[str]:
    """Top-level ids that something in a config, not resolved, refers to."""
    return {name for text in texts(config) if text[:1] in ("$", "@") for name in REFERENCE.findall(text)}


def texts(config: Any) -> Iterator[str]:
    """All text in a config."""
    if isinstance(config, str):
        yield config
    elif isinstance(config, Mapping):
        for value in config.values():
            yield from texts(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from texts(value)
