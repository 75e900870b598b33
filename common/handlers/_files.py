"""Files that are whole or absent, also when the process is killed or the machine loses its power.

The writer in `common.transforms` is out of reach (rooms of one layer do not import one another), and a training run
would leave one of its temporary files behind every time it is killed; here the next write takes the same name.
"""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Write a file under a temporary name beside its final place, then rename it.

    Raises:
        OSError: if the folder cannot be written or the disk is full; a file of the final name stays as it was.
    """
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror or error}.") from error
