"""A folder of its own for files that are not finished yet, and locks between processes.

Python's `tempfile` makes such folders, and leaves them behind when the process is killed.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there
    fcntl = None  # type: ignore[assignment]

PREFIX = ".registration-part-"


@contextmanager
def fresh_folder(parent: str | Path) -> Iterator[Path]:
    """Make a folder of its own for files that are not finished; it goes in the end.

    Those that killed processes have left are removed, those of running ones stay.

    Args:
        parent: where it is made; itself made if it is not there.

    Yields:
        The folder, on the disk of ``parent``: from there files can be renamed into their place.

    Raises:
        OSError: if it cannot be made.
    """
    parent = Path(parent)
    parent.mkdir(parents=True, exist_ok=True)
    with locked(parent):
        for left in parent.glob(f"{PREFIX}*"):
            with suppress(OSError), locked(left, wait=False) as alone:
                if alone:
                    shutil.rmtree(left)
        fresh = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        guard = locked(fresh)
        guard.__enter__()
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        guard.__exit__(None, None, None)


@contextmanager
def locked(folder: Path, wait: bool = True) -> Iterator[bool]:
    """Keep other processes that ask for the same folder away; its owner's death frees it.

    Yields:
        Whether nobody else has it; False as well where the disk knows no locks.

    Raises:
        BlockingIOError: if another process has it and it is not waited for.
    """
    if fcntl is None:
        yield False
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        alone = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise
        except OSError:
            alone = False
        yield alone
    finally:
        os.close(handle)
