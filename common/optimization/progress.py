"""How far a long computation is: told to whoever listens, by default to nobody.

tqdm's bars write by themselves, also where a library is to be silent.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, int, int], object]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def advance(stage: str, done: int, total: int) -> None:
    """Tell that some steps of a stage are done."""
    listener = _listener.get()
    if listener is not None:
        listener(stage, done, total)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have a function called with stage, steps done and their number, for all that is computed within.

    Example:
        >>> with listening(lambda stage, done, total: print(stage, done, "of", total)):
        ...     advance("instance optimization", 3, 20)
        instance optimization 3 of 20
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
