"""Files that are whole or absent: written under a temporary name, then renamed."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: str | Path, write: Callable[[str], object]) -> None:
    """Let a function write a file under a temporary name beside its final place, then rename it.

    Args:
        path: the final name; the temporary one ends alike, because writers choose the format by the ending.
        write: called with the temporary name.

    Raises:
        OSError: if the folder cannot be written or the disk is full; nothing half-written stays.
    """
    path = Path(path)
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".part-", suffix="-" + path.name)
        os.close(handle)
        write(temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror or error}.") from error
    except RuntimeError as error:  # ITK reports a full disk so
        raise OSError(f"{path} cannot be written: the disk may be full.") from error
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
