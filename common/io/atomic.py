"""Files that are whole or absent, also when the process is killed or the machine loses its power."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from .folders import fresh_folder, locked


def write_atomically(path: str | Path, write: Callable[[str], object]) -> None:
    """Let a function write a file in a folder beside its final place, then rename it.

    Args:
        path: the final name; the first one is the same, because writers choose the format by the ending.
        write: called with the first name.

    Raises:
        OSError: if the folder cannot be written or the disk is full; a file of the final name stays as it was.
    """
    path = Path(path)
    try:
        with fresh_folder(path.parent) as part:
            temporary = part / path.name
            temporary.touch()
            write(str(temporary))
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror or error}.") from error
    except RuntimeError as error:  # ITK reports a full disk so
        raise OSError(f"{path} cannot be written: the disk may be full.") from error


def write_together(folder: str | Path, names: Sequence[str], write: Callable[[Path], object]) -> None:
    """Replace files that belong together: all of the new ones are there, or all of the old.

    The new ones are written elsewhere first. Then the old ones are moved out, the last of the names first, and the new
    ones in, the last of the names last: who finds that one finds all of its kind, even if the process was killed on the
    way, and never one of another time. Of two processes one waits while the other moves.

    Args:
        folder: final place; whatever else it holds stays.
        names: of all files that can belong together. The last one is always written and says that they are complete.
        write: called with a folder for the new files; what it does not write is not there in the end.

    Raises:
        OSError: if a file cannot be written, or a folder is in its place; the old ones stay.
    """
    folder = Path(folder)
    check_replaceable(folder, names)
    try:
        with fresh_folder(folder) as part:
            new, old = part / "new", part / "old"
            new.mkdir()
            old.mkdir()
            try:
                write(new)
            except OSError as error:
                if error.errno is not None:
                    raise
                raise type(error)(str(error).replace(str(new), str(folder))) from error  # the place the user knows
            with locked(folder):
                check_replaceable(folder, names)
                _move(folder, old, names[::-1])
                try:
                    _move(new, folder, names)
                except OSError:
                    _move(folder, new, names[::-1])
                    _move(old, folder, names)
                    raise
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(f"{folder} cannot be written: {error.strerror}.") from error


def check_replaceable(folder: str | Path, names: Sequence[str]) -> None:
    """Find out before the work whether `write_together` will find folders in the place of its files.

    Raises:
        OSError: if so.
    """
    for name in names:
        if (Path(folder) / name).is_dir():
            raise OSError(f"{Path(folder) / name} cannot be written: it is a folder.")


def _move(source: Path, target: Path, names: Sequence[str]) -> None:
    for name in names:
        with suppress(FileNotFoundError):
            os.replace(source / name, target / name)


def save_bytes(path: str | Path, content: bytes | memoryview) -> None:
    """Write a file atomically."""
    write_atomically(path, lambda name: Path(name).write_bytes(content))


def save_text(path: str | Path, text: str) -> None:
    """Write a text file atomically."""
    save_bytes(path, text.encode())
