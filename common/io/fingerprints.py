"""What tells the content of a scan from that of any other, wherever it lies and whatever it is called."""

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

HEADERS = (".hdr", ".mhd", ".nhdr")  # their voxels are in another file
HEADER_BYTES = 1 << 16


def fingerprint(path: str | Path | None) -> dict[str, Any] | None:
    """Describe a file or folder by its content.

    Args:
        path: a file, with its voxels where it is a header alone, or a folder with all that is in it.

    Returns:
        ``file``, as given, ``bytes`` and ``sha256``; None where there is no such file.

    Raises:
        OSError: if it cannot be read.
    """
    if path is None or not Path(path).exists():
        return None
    files = _files(Path(path))
    stats = [(file, file.stat()) for file in files]
    digests = [_digest(file, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for file, stat in stats]
    digest = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    return {"file": str(path), "bytes": sum(stat.st_size for _, stat in stats), "sha256": digest}


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    if path.suffix not in HEADERS:
        return [path]
    with path.open("rb") as file:
        text = file.read(HEADER_BYTES).decode("latin-1")
    named = {
        path.parent / name.strip() for name in re.findall(r"(?im)^(?:ElementDataFile|data ?file) *[:=](.*)$", text)
    }
    beside = {path.with_suffix(".img"), path.with_suffix(".img.gz")}
    return [path, *sorted(file for file in named | beside if file.is_file() and file != path)]


@lru_cache(maxsize=1024)
def _digest(file: Path, size: int, modified: int, changed: int) -> str:
    """Of one file; asked again in one run, it is read again only if it was changed."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
