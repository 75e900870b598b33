"""The pair that is registered when none is given: a phantom with known ground truth."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.phantoms import heart_phantom, torso_phantom, write_phantom

from .pairs import read_pairs

PHANTOMS = ("torso", "heart")


def pairs_or_built_in(
    output_dir: str | Path,
    datalist: str | Path | Sequence[Mapping[str, Any]] | None = None,
    phantom: str = "torso",
    **pair: Any,
) -> list[dict[str, Any]]:
    """Read the pairs given, or write the built-in one to ``output_dir/phantom``.

    Args:
        output_dir: folder of the results.
        datalist: see `read_pairs`.
        phantom: the built-in pair: "torso", two scans of a patient, or "heart", two phases of one slice.
        pair: see `read_pairs`.

    Returns:
        Dictionaries from keys to paths; see `read_pairs`.

    Raises:
        ValueError: if there is no such phantom; and whatever `read_pairs` raises.
    """
    if phantom not in PHANTOMS:
        raise ValueError(f"pairs_or_built_in() expects 'phantom' to be one of {', '.join(PHANTOMS)}, got {phantom}.")
    if datalist is not None or any(value is not None for value in pair.values()):
        return read_pairs(datalist, **pair)
    built_in = heart_phantom() if phantom == "heart" else torso_phantom()
    paths = write_phantom(built_in, Path(output_dir) / "phantom")
    return read_pairs(**{key: path for key, path in paths.items() if key != "displacement"})
