"""Files that are whole or absent, also when the process is killed or the machine loses its power."""

import os
from collections.abc import Callable
from pathlib import Path


def write_atomically(path: str | Path, write: Callable[[str], object]) -> None:
    """Let a function write a file under a temporary name beside its final place, then rename it.

    A process that is killed leaves the temporary file behind; the next write to the same place takes its name.

    Args:
        path: the final name; the temporary one ends alike, because writers choose the format by the ending.
        write: called with the temporary name.

    Raises:
        OSError: if the folder cannot be written or the disk is full; a file of the final name stays as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".part-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.touch()
            write(str(temporary))
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror or error}.") from error
    except RuntimeError as error:  # ITK reports a full disk so
        raise OSError(f"{path} cannot be written: the disk may be full.") from error


def save_bytes(path: str | Path, content: bytes | memoryview) -> None:
    """Write a file atomically."""
    write_atomically(path, lambda name: Path(name).write_bytes(content))


def save_text(path: str | Path, text: str) -> None:
    """Write a text file atomically."""
    save_bytes(path, text.encode())
