"""Reading JSON that others may have written, or that is damaged."""

import json
from pathlib import Path
from typing import Any

from .files import existing_file
from .input_error import InputError


def read_json(path: str | Path, kind: type | None = None) -> Any:
    """Read a JSON file.

    Args:
        path: the file.
        kind: of its content, ``dict`` or ``list``; None for any.

    Raises:
        FileNotFoundError: if there is none.
        InputError: if it is no JSON, or its content is of another kind.
    """
    try:
        content = json.loads(existing_file(path).read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}.") from error
    if kind is not None and not isinstance(content, kind):
        raise InputError(
            f"{path} is not JSON of the right kind: expected {kind.__name__}, got {type(content).__name__}."
        )
    return content
