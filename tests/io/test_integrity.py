"""A file is read when all its bytes and its checksum are there."""

import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest

from common.io.integrity import check_complete

BYTES = np.random.default_rng(0).integers(0, 256, 2**17, dtype=np.uint8).tobytes() + bytes(2**20)
SIZE = len(BYTES)
GZIP, ZLIB = gzip.compress(BYTES), zlib.compress(BYTES)
DAMAGED = r"cannot be read as an image: it is damaged, "
PROMISED = rf"{DAMAGED}its header promises {SIZE} bytes, it holds"


def flipped(content: bytes, place: int) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    ("content", "start", "compressed"),
    [
        (GZIP, 0, True),
        (GZIP + bytes(100), 0, True),  # padded, as gzip has it
        (gzip.compress(BYTES[:9]) + gzip.compress(BYTES[9:]), 0, True),
        (b"header" + ZLIB, 6, True),
        (b"header" + BYTES, 6, False),
    ],
)
def test_check_complete_takes_what_is_whole(content: bytes, start: int, compressed: bool, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    check_complete(tmp_path / "a", SIZE, start, compressed)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GZIP[:-1], f"{DAMAGED}its compressed part is not whole"),
        (GZIP[:-8], f"{DAMAGED}its compressed part is not whole"),
        (GZIP[:1000], f"{DAMAGED}its compressed part is not whole"),
        (b"", f"{DAMAGED}its compressed part is not whole"),
        (BYTES, f"{DAMAGED}its compressed part is not whole"),
        (flipped(GZIP, -6), f"{DAMAGED}its compressed part is not whole"),  # the checksum
        (flipped(GZIP, 5000), f"{DAMAGED}its compressed part is not whole"),
        (flipped(ZLIB, 5000), f"{DAMAGED}its compressed part is not whole"),
        (gzip.compress(BYTES[:-1]), f"{PROMISED} {SIZE - 1}"),
        (gzip.compress(BYTES + b"1"), f"{PROMISED} more"),
        (GZIP + b"more", f"{PROMISED} more"),
    ],
)
def test_check_complete_refuses_a_damaged_stream(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.gz {message}"):
        check_complete(tmp_path / "a.gz", SIZE)


@pytest.mark.parametrize(("content", "held"), [(BYTES[:-1], SIZE - 1), (BYTES + b"1", "more"), (b"", 0)])
def test_check_complete_refuses_another_number_of_bytes(content: bytes, held: int | str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ValueError, match=f"a {PROMISED} {held}"):
        check_complete(tmp_path / "a", SIZE)


def test_check_complete_never_inflates_much_more_than_was_promised(tmp_path: Path) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(bytes(2**28), 1) + b"this end is not read")
    with pytest.raises(ValueError, match="promises 1 bytes, it holds more"):
        check_complete(tmp_path / "a.gz", 1)
