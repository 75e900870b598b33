"""Pairs for training: drawn anew each epoch from single cases, or listed; each case is read once.

MONAI's `CacheDataset` would read and keep every case once per pair.
"""

import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from common.io import InputError

logger = logging.getLogger("common")
Case = dict[Hashable, Any]
KINDS = ("random", "ordered", "unordered", "ring", "atlas")
SIDES = ("fixed", "moving")
DESCRIPTION = ("cohort", "name", "phase")  # of a case; says nothing to a network


class PairDataset(Dataset):
    """Pairs of cases.

    What an item is depends on the seed, the epoch and its place alone, not on how often or in which process it was
    asked for.

    Args:
        data: cases `{"image": ..., "label": ...}`, or pairs `{"fixed_image": ..., "moving_image": ...}` in the order
            in which they are wanted. A case may name its ``"cohort"``, within which random, ordered and unordered
            pairs stay, and itself (``"name"``; else its file does).
        transform: reads and prepares a case; no randomness, done once per case.
        augmentation: applied to each pair; may be random.
        pairing: how cases become pairs: "random" (every case once as the moving one, with a fixed one drawn from all,
            itself included), "ordered" (all of two different cases), "unordered" (of those one order), "ring" (every
            case with the next), "atlas" (the first case fixed, every other one moving).
        shuffle: draw the order anew each epoch; a random draw of pairs is new in any case.
        length: most pairs per epoch.
        seed: of all that is random.
        preload: read every case at once, so that worker processes share what is read; else each when it is wanted.

    Raises:
        InputError: if there are no data, they mix cases and pairs, `pairing` is unknown, or no two cases can be paired.
    """

    def __init__(
        self,
        data: Sequence[Mapping[Any, Any]],
        transform: Callable[[Case], Case] | None = None,
        augmentation: Callable[[Case], Case] | None = None,
        pairing: str = "random",
        shuffle: bool = True,
        length: int | None = None,
        seed: int = 0,
        preload: bool = False,
    ) -> None:
        self.cases, self.listed = _split(data)
        if pairing not in KINDS:
            raise InputError(f"PairDataset() expects 'pairing' to be one of {', '.join(KINDS)}, got {pairing!r}.")
        self.transform = transform or dict
        self.augmentation = augmentation
        self.pairing = pairing
        self.shuffle = shuffle
        self.length = length
        self.seed = seed
        self.cache: dict[int, Case] = {}
        self.set_epoch(1)
        if not self.drawn:
            raise InputError(f"PairDataset() expects two cases of one cohort for {pairing} pairs, got no such two.")
        if len(self.cases) == 1:
            logger.warning("%s is the only scan, and its own partner: that pair tells nothing", _name(self.cases[0]))
        for number in range(len(self.cases) if preload else 0):
            self._case(number)

    def set_epoch(self, epoch: int) -> None:
        """Draw the pairs of an epoch, counted from 1."""
        self.epoch = epoch
        random = np.random.default_rng([self.seed, epoch])
        drawn: Iterable[tuple[int, int]] = self.listed or _draw(self.pairing, self.cases, random)
        if self.shuffle:
            ordered = list(drawn)
            drawn = (ordered[i] for i in random.permutation(len(ordered)))
        self.drawn = list(islice(drawn, self.length))

    def __len__(self) -> int:
        """Pairs an epoch."""
        return len(self.drawn)

    def __getitem__(self, index: int) -> Case:
        """Give a pair: ``fixed_image``, ``moving_image`` and what else its cases hold, and its name, ``pair``."""
        pair: Case = {"pair": "_".join(_name(self.cases[number]) for number in self.drawn[index])}
        for side, number in zip(SIDES, self.drawn[index], strict=True):
            pair |= {f"{side}_{key}": _copy(value) for key, value in self._case(number).items()}
        if self.augmentation is not None:
            if hasattr(self.augmentation, "set_random_state"):
                seed = np.random.SeedSequence([self.seed, self.epoch, index]).generate_state(1)[0]
                self.augmentation.set_random_state(seed=int(seed))
            pair = self.augmentation(pair)
        return pair

    def _case(self, number: int) -> Case:
        if number not in self.cache:
            case = self.transform(dict(self.cases[number]))
            self.cache[number] = {key: value for key, value in case.items() if key not in DESCRIPTION}
        return self.cache[number]


def _split(data: Sequence[Mapping[Any, Any]]) -> tuple[list[Case], list[tuple[int, int]]]:
    """The different cases, and which of them a list of pairs names; cases alone name no pairs."""
    if not data:
        raise InputError("PairDataset() expects 'data' of one case or more, got none.")
    paired = ["fixed_image" in record for record in data]
    if not any(paired):
        return [dict(record) for record in data], []
    if not all(paired):
        raise InputError("PairDataset() expects 'data' of cases or of pairs, got both.")
    cases: list[Case] = []
    places: dict[str, int] = {}
    listed = []
    for record in data:
        numbers = []
        for side in SIDES:
            case: Case = {
                str(key).removeprefix(f"{side}_"): v for key, v in record.items() if str(key).startswith(side)
            }
            number = places.setdefault(repr(sorted(case.items())), len(cases))
            if number == len(cases):
                cases.append(case)
            numbers.append(number)
        listed.append((numbers[0], numbers[1]))
    return cases, listed


def _draw(kind: str, cases: Sequence[Case], random: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Numbers of the fixed and the moving case of every pair."""
    count = len(cases)
    if kind == "ring" or count == 1:
        yield from (((number + 1) % count, number) for number in range(count))
    elif kind == "atlas":
        yield from ((0, number) for number in range(1, count))
    else:
        yield from _draw_within_cohorts(kind, [case.get("cohort") for case in cases], random)


def _draw_within_cohorts(
    kind: str, cohorts: Sequence[Hashable], random: np.random.Generator
) -> Iterator[tuple[int, int]]:
    members: dict[Hashable, list[int]] = {}
    for number, cohort in enumerate(cohorts):
        members.setdefault(cohort, []).append(number)
    for number, cohort in enumerate(cohorts):
        mates = members[cohort]
        if kind == "random":
            yield mates[random.integers(len(mates))], number
        elif kind == "ordered":
            yield from ((number, moving) for moving in mates if moving != number)
        else:
            yield from ((number, moving) for moving in mates if moving > number)


def _name(case: Case) -> str:
    if "name" in case:
        return str(case["name"])
    image = case["image"]
    stem = Path(image).name.split(".")[0] if isinstance(image, str | Path) else "case"
    return f"{stem}_phase{case['phase']}" if "phase" in case else stem


def _copy(value: Any) -> Any:
    """Keep the cache from transforms that write in place."""
    return value.clone() if isinstance(value, Tensor) else deepcopy(value)  # deepcopy shares a MetaTensor's meta
