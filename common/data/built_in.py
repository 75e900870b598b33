"""The pair that is registered when none is given: a torso phantom with known ground truth."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .pairs import read_pairs
from .phantom import torso_phantom, write_phantom


def pairs_or_built_in(
    output_dir: str | Path, datalist: str | Path | Sequence[Mapping[str, Any]] | None = None, **pair: Any
) -> list[dict[str, Any]]:
    """Read the pairs given, or write the built-in one to ``output_dir/phantom``.

    Args:
        output_dir: folder of the results.
        datalist: see `read_pairs`.
        pair: see `read_pairs`.

    Returns:
        Dictionaries from keys to paths; see `read_pairs`.
    """
    if datalist is not None or any(value is not None for value in pair.values()):
        return read_pairs(datalist, **pair)
    paths = write_phantom(torso_phantom(), Path(output_dir) / "phantom")
    return read_pairs(**{key: path for key, path in paths.items() if key != "displacement"})
