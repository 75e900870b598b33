"""What the text headers of NRRD and MetaImage say of their voxels, which ITK does not tell."""

import re
from pathlib import Path

Voxels = tuple[Path, int, bool] | None  # file, start (-1: they are its end), compressed; none where that is not simple
LONGEST = 2**22  # bytes of a header; those of segmentations list their segments
META_IMAGE_AXES = 4  # as far as ITK's Python goes; MetaIO writes beyond its arrays from eleven on


def nrrd_voxels(path: Path) -> Voxels:
    """The header ends with an empty line, or is a file of its own."""
    content = _begin(path)
    end = re.search(rb"\r?\n\r?\n", content)
    text = content[: end.start() if end else None].decode("latin-1")
    fields = {key.strip().lower(): value.strip() for key, value in re.findall(r"^([^#:\n]+):(?!=)(.*)$", text, re.M)}
    compressed = fields.get("encoding", "").lower() in ("gzip", "gz")
    file, skipped = fields.get("data file", fields.get("datafile")), int(fields.get("byte skip", 0))
    if not (compressed or fields.get("encoding") == "raw") or "line skip" in fields:
        return None
    if file is None:
        return path, -1 if skipped < 0 else (end.end() if end else 0) + skipped, compressed
    return None if re.match(r"LIST|.*%", file) else (path.parent / file, skipped, compressed)


def meta_image_voxels(path: Path) -> Voxels:
    """The header ends with the name of the file of the voxels."""
    fields, end = _meta_image_fields(path)
    name, skipped = fields.get("ElementDataFile", "LIST"), int(fields.get("HeaderSize", 0))
    if fields.get("BinaryData", "True").lower() != "true" or re.match(r"LIST|.*%|.* ", name):
        return None
    compressed = fields.get("CompressedData", "False").lower() == "true"
    return (path, end, compressed) if name.upper() == "LOCAL" else (path.parent / name, skipped, compressed)


def check_meta_image(path: Path) -> None:
    """Refuse what is no image, or has more or fewer numbers than axes, on which ITK's reader ends the interpreter.

    Raises:
        ValueError: if it is such a header.
    """
    fields, _ = _meta_image_fields(path)
    if fields.get("ObjectType", "Image") != "Image":
        raise ValueError(f"ObjectType is {fields['ObjectType']}.")
    axes = int(fields.get("NDims", 0))
    if not 2 <= axes <= META_IMAGE_AXES:
        raise ValueError(f"NDims is {axes}.")
    counts = {"DimSize": axes, "ElementSpacing": axes, "ElementSize": axes}
    counts |= dict.fromkeys(("Offset", "Position", "Origin", "CenterOfRotation"), axes)
    counts |= dict.fromkeys(("TransformMatrix", "Rotation", "Orientation"), axes * axes)
    for name, count in counts.items():
        if name in fields and len([float(number) for number in fields[name].split()]) != count:
            raise ValueError(f"{name} is {fields[name]}.")


def _meta_image_fields(path: Path) -> tuple[dict[str, str], int]:
    """The fields of the header, and where it ends."""
    content = _begin(path)
    end = re.search(rb"^ElementDataFile *=.*\n?", content, re.M)
    text = content[: end.end() if end else None].decode("latin-1")
    return dict(re.findall(r"^(\w+) *= *(.*?)\s*$", text, re.M)), end.end() if end else len(content)


def gipl_voxels(path: Path) -> Voxels:
    """The header has 256 bytes."""
    return path, 256, path.name.lower().endswith(".gz")


def vtk_voxels(path: Path) -> Voxels:
    """The last line of a header in front of bytes is about the colors they are shown in."""
    content = _begin(path)
    end = re.search(rb"^LOOKUP_TABLE .*\n", content, re.M)
    return (path, end.end(), False) if end and re.search(rb"^BINARY", content, re.M) else None


def _begin(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LONGEST)
