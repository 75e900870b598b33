"""Lists of pairs: from the command line, a CSV or JSON file, or a Learn2Reg data-set description."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from common.io import InputError, existing_file, read_json, read_table

PAIR_KEYS = (
    "fixed_image",
    "moving_image",
    "fixed_label",
    "moving_label",
    "fixed_mask",
    "moving_mask",
    "fixed_keypoints",
    "moving_keypoints",
    "fixed_cloud",
    "moving_cloud",
)
PHASE_KEYS = ("fixed_phase", "moving_phase")  # which time of 4-D files, from 0
KNOWN_KEYS = (*PAIR_KEYS, *PHASE_KEYS)
REQUIRED = ("fixed_image", "moving_image")
CLOUDS = ("fixed_cloud", "moving_cloud")  # points that do not correspond; with both, a pair needs no images


def read_pairs(datalist: str | Path | Sequence[Mapping[str, Any]] | None = None, **pair: Any) -> list[dict[str, Any]]:
    """Collect the pairs to register.

    Args:
        datalist: ``.csv`` with the columns of `PAIR_KEYS` (those of the two images are needed, or without them those of
            the two clouds) and `PHASE_KEYS`, ``.json`` with a list of such records, or Learn2Reg's dataset JSON; paths
            are relative to the file. Or the records themselves.
        pair: one pair, given key by key; None is as good as absent.

    Returns:
        Dictionaries from keys to paths, and to whole numbers for phases; those of a list also name the pair: ``pair``.

    Raises:
        FileNotFoundError: if the list is not there.
        InputError: if both ways or half a pair are given, the list cannot be read, or lacks a column, or a
            phase is no whole number.
    """
    single = {key: _value(key, value, "the command line") for key, value in pair.items() if value is not None}
    if datalist is None:
        return [_checked(single, "the command line")]
    if single:
        raise InputError(f"Give either datalist or single files, got datalist and {', '.join(single)}.")
    if not isinstance(datalist, str | Path):
        return _named([_checked(_known(record, "datalist"), "datalist") for record in datalist])
    path = existing_file(datalist)
    records = _read_json(path) if path.suffix == ".json" else _read_csv(path)
    if not records:
        raise InputError(f"{path} lists no pairs.")
    return _named([_checked(_resolved(record, path), str(path)) for record in records])


def both_directions(pairs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Follow every pair by the same pair the other way round.

    Args:
        pairs: from `read_pairs`.

    Returns:
        Twice as many; a single pair and its reverse are named ``forward`` and ``reverse``. The reverse says in
        ``reverse_of`` what it is that of.
    """
    doubled = []
    for pair in pairs:
        name = pair.get("pair")
        others = {"fixed": "moving", "moving": "fixed"}
        reverse = {others[key.split("_")[0]] + key[key.index("_") :]: pair[key] for key in KNOWN_KEYS if key in pair}
        doubled += [
            {**pair, "pair": name or "forward"},
            {**reverse, "pair": f"{name}_reverse" if name else "reverse", "reverse_of": name or "forward"},
        ]
    return doubled


def _known(record: Mapping[str, Any], source: str) -> dict[str, Any]:
    return {key: _value(key, record[key], source) for key in KNOWN_KEYS if record.get(key) not in (None, "")}


def _value(key: str, value: Any, source: str) -> str | int:
    if key not in PHASE_KEYS:
        return str(value)
    try:
        number = float(value)  # a spreadsheet writes 7.0 where a column has gaps
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not number.is_integer() or number < 0:
        raise InputError(f"{key} is expected to be a whole number from 0, but {source} gives {value}.")
    return int(number)


def _resolved(record: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Paths are relative to the list; an absolute one stays as it is."""
    known = _known(record, str(path))
    return {key: str(path.parent / value) if key in PAIR_KEYS else value for key, value in known.items()}


def _checked(record: dict[str, Any], source: str) -> dict[str, Any]:
    needed = CLOUDS if set(CLOUDS) & set(record) and not set(REQUIRED) & set(record) else REQUIRED
    if missing := [key for key in needed if key not in record]:
        raise InputError(f"A pair needs {' and '.join(needed)}, but {source} gives no {' and no '.join(missing)}.")
    return record


def _named(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Name each pair by its place, its files and their phases, so that names are unique and say what they are."""
    digits = len(str(len(records)))
    for number, record in enumerate(records, start=1):
        stems = "_".join(_stem(record, side) for side in ("fixed", "moving"))
        record["pair"] = f"{number:0{digits}d}_{stems}"
    return records


def _stem(record: Mapping[str, Any], side: str) -> str:
    path = record.get(f"{side}_image") or record[f"{side}_cloud"]
    stem, phase = Path(path).name.split(".")[0], f"{side}_phase"
    return f"{stem}_phase{record[phase]}" if phase in record else stem


def _read_csv(path: Path) -> list[dict[str, Any]]:
    names, rows = read_table(path)
    _check_names(names, path)
    return rows


def _check_names(names: Iterable[str], path: Path) -> None:
    if unknown := [name for name in names if name not in (*KNOWN_KEYS, "pair")]:
        raise InputError(f"{path} has the unknown column {', '.join(unknown)}: known are {', '.join(KNOWN_KEYS)}.")


def _read_json(path: Path) -> list[dict[str, Any]]:
    content = read_json(path)
    if isinstance(content, dict):
        return _from_learn2reg(content, path)
    if not isinstance(content, list) or not all(isinstance(record, dict) for record in content):
        raise InputError(f"{path} is expected to hold a list of records with the keys {', '.join(PAIR_KEYS)}.")
    for record in content:
        _check_names(record, path)
    return content


def _from_learn2reg(content: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """Pairs of the validation (else the training) part, with the label maps and masks that lie beside the images.

    Learn2Reg's key points are left out: they are in voxels and without a header.
    """
    for part in ("registration_val", "registration_test", "training_paired_images"):
        if content.get(part):
            try:
                return [_learn2reg_pair(pair, path.parent) for pair in content[part]]
            except (KeyError, TypeError) as error:
                raise InputError(f"{path} is expected to name a fixed and a moving image in each {part}.") from error
    raise InputError(f"{path} is no dataset JSON of Learn2Reg with paired images: it has {', '.join(content)}.")


def _learn2reg_pair(pair: Mapping[str, str], folder: Path) -> dict[str, str]:
    record: dict[str, str] = {}
    for side in ("fixed", "moving"):
        image = Path(pair[side])
        record[f"{side}_image"] = str(image)
        for kind in ("label", "mask"):  # imagesTr -> labelsTr, masksTr
            beside = image.parent.parent / image.parent.name.replace("images", f"{kind}s") / image.name
            if beside != image and (folder / beside).is_file():
                record[f"{side}_{kind}"] = str(beside)
    return record
