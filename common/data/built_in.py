"""The pair that is registered when none is given: a phantom with known ground truth."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from common.io import InputError
from common.phantoms import (
    PhantomPair,
    abdomen_phantom,
    chest_phantom,
    heart_phantom,
    hippocampus_phantom,
    torso_phantom,
    write_phantom,
)

from .pairs import read_pairs

PHANTOMS: dict[str, Callable[[], PhantomPair]] = {
    "torso": torso_phantom,
    "heart": heart_phantom,
    "chest": chest_phantom,
    "abdomen": abdomen_phantom,
    "hippocampus": hippocampus_phantom,
}


class OnDemand(Sequence):
    """A list that is made when an item is asked for: a config can be built and looked at, and no file is written.

    Args:
        make: gives the list.
        length: how many items that has.
    """

    def __init__(self, make: Callable[[], Sequence[dict[str, Any]]], length: int) -> None:
        self._make = make
        self._length = length

    @cached_property
    def _made(self) -> Sequence[dict[str, Any]]:
        return self._make()

    def __len__(self) -> int:
        """Number of items, known beforehand."""
        return self._length

    def __getitem__(self, index: Any) -> Any:
        """Make the list, unless it is there."""
        return self._made[index]


def pairs_or_built_in(
    folder: str | Path,
    datalist: str | Path | Sequence[Mapping[str, Any]] | None = None,
    phantom: str = "torso",
    **pair: Any,
) -> Sequence[dict[str, Any]]:
    """Read the pairs given, or write the built-in one to ``folder/phantom`` when it is first asked for.

    Args:
        folder: of the built-in pair.
        datalist: see `read_pairs`.
        phantom: the built-in pair: "torso", two scans of a patient, "heart", two phases of one slice, "chest", two
            phases of a breath, "abdomen", the torso in CT, or "hippocampus", crops of two heads.
        pair: see `read_pairs`.

    Returns:
        Dictionaries from keys to paths; see `read_pairs`.

    Raises:
        InputError: if there is no such phantom; and whatever `read_pairs` raises.
    """
    if phantom not in PHANTOMS:
        raise InputError(f"pairs_or_built_in() expects 'phantom' to be one of {', '.join(PHANTOMS)}, got {phantom}.")
    if datalist is not None or any(value is not None for value in pair.values()):
        return read_pairs(datalist, **pair)
    return OnDemand(partial(_write_built_in, Path(folder) / "phantom", phantom), 1)


def _write_built_in(folder: Path, phantom: str) -> list[dict[str, Any]]:
    paths = write_phantom(PHANTOMS[phantom](), folder)
    return read_pairs(**{key: path for key, path in paths.items() if key != "displacement"})
