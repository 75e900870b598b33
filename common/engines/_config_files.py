"""What the bundle itself says, before overlays and options: its files."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.io import read_json


def read_files(folder: Path, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read the files of a bundle that a config can be made of: those that hold none but its ids.

    Args:
        folder: with JSON files, and overlays in ``variants``; what is no config there is passed over.
        config: with all its overlays.

    Returns:
        What they say, the longest first.
    """
    used = []
    for path in [*sorted(folder.glob("*.json")), *sorted(folder.glob("variants/*.json"))]:
        try:
            content = read_json(path)
        except (OSError, ValueError):
            continue
        if isinstance(content, dict) and {re.split("#|::", name)[0].lstrip("+") for name in content} <= set(config):
            used.append(content)
    return sorted(used, key=len, reverse=True)
