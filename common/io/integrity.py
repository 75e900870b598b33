"""Whether a file holds all bytes its header promises, no more, and whether a compressed one ends with its checksum.

The readers stop at the last voxel they want: a checksum behind it is never compared, and bytes too many go unnoticed.
"""

import zlib
from pathlib import Path
from typing import BinaryIO

from .input_error import InputError

CHUNK = 2**16  # 64 MiB at most once decompressed
ZLIB_OR_GZIP = 47  # window bits: the stream says which of the two it is
GZIP_MAGIC = b"\x1f\x8b"


def check_complete(
    path: str | Path, promised: int, start: int = 0, compressed: bool | None = None, kind: str = "an image"
) -> None:
    """Compare what a file holds with what its header promises, before anything is allocated for it.

    Args:
        path: the file.
        promised: how many bytes there are to be from ``start`` on, once decompressed.
        start: where they begin in the file.
        compressed: whether they are, by zlib or gzip; by default as the name of the file says.
        kind: what the file is read as, for the message.

    Raises:
        OSError: if the file cannot be opened.
        InputError: if it holds fewer or more bytes, or they do not have their checksum.
    """
    path = Path(path)
    if compressed is None:
        compressed = path.name.lower().endswith(".gz")
    with path.open("rb") as file:
        file.seek(start)
        try:
            held = _inflated(file, promised) if compressed else path.stat().st_size - start
        except zlib.error as error:
            raise InputError(
                f"{path} cannot be read as {kind}: it is damaged, its compressed part is not whole."
            ) from error
    if held != promised:
        count = "more" if held > promised else f"{max(held, 0)}"
        raise InputError(
            f"{path} cannot be read as {kind}: it is damaged, its header promises {promised} bytes, it holds {count}."
        )


def _inflated(file: BinaryIO, enough: int) -> int:
    """How many bytes a stream has, or a number above what is enough; members in a row are one stream."""
    count, pending, member = 0, b"", zlib.decompressobj(ZLIB_OR_GZIP)
    while count <= enough:
        pending = pending or file.read(CHUNK)
        if not pending:
            if member.eof:
                return count
            raise zlib.error("the stream has no end")
        if member.eof:
            if not pending.strip(b"\0"):  # padding
                pending = b""
                continue
            if not pending.startswith(GZIP_MAGIC):
                return enough + 1
            member = zlib.decompressobj(ZLIB_OR_GZIP)
        count += len(member.decompress(pending))
        pending = member.unused_data
    return count
