"""Pictures: whether they are whole, and colors as gray values."""

import logging
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .input_error import InputError

logger = logging.getLogger("common")
ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp")
PNG_SIGNATURE, LAST_CHUNK = b"\x89PNG\r\n\x1a\n", b"IEND"
END_OF_JPEG = b"\xff\xd9"
INCH, WHOLE = 25.4, 0.02  # mm; of a dot, what rounding to pixels per meter leaves of a whole number of them
LUMINANCE = (0.2126, 0.7152, 0.0722)  # of red, green and blue: ITU-R BT.709


def check_picture(path: Path) -> None:
    """Refuse a PNG, JPEG or BMP file that ITK would fill up.

    Raises:
        InputError: if its end or a checksum is missing.
    """
    content = path.read_bytes()
    if content.startswith(PNG_SIGNATURE) and not _png_is_whole(content):
        raise InputError(f"{path} cannot be read as an image: it is damaged, a checksum or its end is missing.")
    cut_bmp = content.startswith(b"BM") and struct.unpack_from("<I", content.ljust(6), 2)[0] > len(content)
    cut_jpeg = path.name.lower().endswith((".jpg", ".jpeg")) and not content.rstrip(b"\0").endswith(END_OF_JPEG)
    if cut_bmp or cut_jpeg:
        raise InputError(f"{path} cannot be read as an image: it is damaged, its end is missing.")


def _png_is_whole(content: bytes) -> bool:
    place, name = len(PNG_SIGNATURE), b""
    while name != LAST_CHUNK:
        if len(content) < place + 12:
            return False
        length = struct.unpack_from(">I", content, place)[0]
        chunk, checksum = content[place + 4 : place + 8 + length], content[place + 8 + length : place + 12 + length]
        if struct.pack(">I", zlib.crc32(chunk)) != checksum:
            return False
        place, name = place + 12 + length, chunk[:4]
    return True


def tell_pixel_size(path: Path, size: Sequence[float]) -> None:
    """Log that pixels of a size of their own are taken as 1 mm; a whole number of dots per inch is that of a screen.

    Args:
        path: of a picture.
        size: of its pixels, mm, as it says itself.
    """
    dots = [INCH / each for each in size]
    if any(abs(each - 1) > 1e-3 for each in size) and any(abs(each - round(each)) > WHOLE for each in dots):
        logger.warning(
            "%s says that its pixels measure %s mm. Those of a picture are taken as 1 mm: if that is their size, "
            "save it as NIfTI, NRRD or MetaImage.",
            path,
            " x ".join(f"{each:.3g}" for each in size),
        )


def to_gray(array: NDArray, path: Path, label: bool) -> NDArray:
    """Luminance of a color picture ``(x, y, 3)``, in its type; a gray one that is stored in color stays exact.

    Raises:
        InputError: if it is to be a label map.
    """
    if (array == array[..., :1]).all():
        return array[..., 0]
    if label:
        raise InputError(f"{path} is expected to be a label map, got a color picture: save the labels as gray values.")
    gray = array @ np.array(LUMINANCE)
    return (np.rint(gray) if array.dtype.kind in "ui" else gray).astype(array.dtype)
