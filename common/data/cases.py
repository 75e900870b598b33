"""The cases of a data set, split into those for training and those for validation."""

from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from monai.data import load_decathlon_datalist

from common.io import InputError, read_json

Case = dict[str, Any]
FOLDERS = ("images", "imagesTr")
EVERY = 10  # one case in so many is for validation
PARTS = ("training", "validation", "evaluation")


class Cases(dict[str, list[Case]]):
    """Lists of cases by their part of an experiment; to want a part that is not there is a mistake.

    Args:
        parts: the lists.
        source: what they were read from.
    """

    def __init__(self, parts: Mapping[str, list[Case]], source: str) -> None:
        super().__init__(parts)
        self.source = source

    def __missing__(self, part: str) -> list[Case]:
        """Say that there is no such list."""
        raise InputError(f"{self.source} is expected to have a list of cases named {part}.")


def find_cases(dataset_dir: str | Path, datalist: str | Path | None = None, every: int = EVERY) -> Cases:
    """Find the cases of a data set and split them.

    Args:
        dataset_dir: folder with ``images`` and ``labels``, or ``imagesTr`` and ``labelsTr``; files of one name belong
            together. Label maps may be missing.
        datalist: JSON in the form of the Medical Segmentation Decathlon instead: ``training`` and, if they are there,
            ``validation`` and ``evaluation``, each a list of cases ``{"image": ..., "label": ...}``; paths relative to
            `dataset_dir`. One of the last two is enough for an evaluation.
        every: without a ``validation`` list, one case in so many is for validation.

    Returns:
        Cases by ``"training"`` and ``"validation"``, and ``"evaluation"`` where the list has them; to want a part that
        it does not have is an InputError.

    Raises:
        FileNotFoundError: if the folder or the list is not there.
        InputError: if there are fewer than two cases, or the list cannot be read.
    """
    folder = Path(dataset_dir)
    if datalist is not None:
        parts = {name: _read(Path(datalist), name, folder) for name in _parts(Path(datalist))}
        if "training" in parts and "validation" not in parts:
            parts |= _split(parts["training"], every, str(datalist))
        return Cases(parts, str(datalist))
    for name in FOLDERS:
        if (folder / name).is_dir():
            return Cases(_split(_listed(folder / name), every, str(folder)), str(folder))
    raise FileNotFoundError(f"There is no folder {folder / FOLDERS[0]} with scans: give --dataset_dir.")


def repeat_cases(cases: Sequence[Case], count: int, numbered: bool = False) -> list[Case]:
    """List cases over and over: each is deformed anew every time.

    Args:
        cases: one or more.
        count: how many are wanted.
        numbered: whether each gets its place as a ``seed`` and its file and place as a name, ``pair``, so that it is
            deformed alike every time, see `common.engines.DeformedPairBatch`.

    Returns:
        The cases, in turn.
    """
    chosen = list(islice(cycle(cases), count))
    if not numbered:
        return chosen
    return [case | {"seed": n, "pair": f"{_stem(case)}_{n}"} for n, case in enumerate(chosen)]


def _stem(case: Case) -> str:
    return Path(str(case["image"])).name.split(".")[0]


def _parts(datalist: Path) -> list[str]:
    """Which lists a JSON file has, of `PARTS`."""
    content = read_json(datalist)
    if not isinstance(content, dict) or not any(content.get(name) for name in PARTS):
        raise InputError(f"{datalist} is expected to have a list of cases named training.")
    names = [name for name in PARTS if content.get(name)]
    for name in names:
        if not isinstance(content[name], list) or not all(isinstance(case, dict) for case in content[name]):
            raise InputError(f"{datalist} is expected to list the cases for {name} as records with image and label.")
    return names


def _read(datalist: Path, name: str, folder: Path) -> list[Case]:
    cases: list[Case] = load_decathlon_datalist(str(datalist), data_list_key=name, base_dir=str(folder))
    return cases


def _listed(images: Path) -> list[Case]:
    labels = images.parent / images.name.replace("images", "labels")
    cases = []
    for image in sorted(path for path in images.iterdir() if not path.name.startswith(".")):
        label = labels / image.name
        cases.append({"image": str(image)} | ({"label": str(label)} if label.is_file() else {}))
    return cases


def _split(cases: Sequence[Case], every: int, source: str) -> dict[str, list[Case]]:
    if len(cases) < 2:
        raise InputError(f"Training needs two cases or more, but {source} has {len(cases)}.")
    held = set(range(0, len(cases), every))
    return {
        "training": [case for number, case in enumerate(cases) if number not in held],
        "validation": [case for number, case in enumerate(cases) if number in held],
    }
