"""A call from a config whose mistakes are the user's."""

from collections.abc import Callable
from typing import Any

from .command_line import one_sentence


def checked_call(function: Callable[[], Any]) -> Any:
    """Call a function that reads what the command line names; a mistake ends the run with its sentence.

    Args:
        function: of no arguments; in a config an entry with ``"_mode_": "callable"``.

    Returns:
        What the function returns.

    Raises:
        SystemExit: with one sentence, if it fails.
    """
    with one_sentence():
        return function()
