"""Configs hold knobs, network, loss and data: what two bundles say alike is built in `common.engines`."""

import re
from itertools import combinations
from pathlib import Path

import pytest

BUNDLES = Path(__file__).parents[2] / "bundles"
LIMITS = {"inference": 50, "train": 110, "segmentation": 110, "evaluate": 15, "multi_gpu_train": 15}  # lines
WIDTH = 120
SHARED = 25  # identical lines of two configs
PROGRAM = re.compile(r"\blambda\b|\[:-")  # functions, and lists cut by the places of their items
CONFIGS = [path for path in sorted(BUNDLES.glob("*/configs/**/*.json")) if path.stem != "metadata"]
LIMITED = [path for path in CONFIGS if path.stem in LIMITS]


def lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text().splitlines()]


def name(path: Path) -> str:
    return str(path.relative_to(BUNDLES))


@pytest.mark.parametrize("path", LIMITED, ids=name)
def test_configs_are_short(path: Path) -> None:
    assert len(lines(path)) <= LIMITS[path.stem]
    assert max(map(len, path.read_text().splitlines())) <= WIDTH


def test_no_two_configs_say_the_same() -> None:
    shared = {pair: len(set(lines(pair[0])) & set(lines(pair[1]))) for pair in combinations(LIMITED, 2)}
    assert {pair: count for pair, count in shared.items() if count > SHARED} == {}


@pytest.mark.parametrize("path", CONFIGS, ids=name)
def test_configs_hold_no_program(path: Path) -> None:
    assert PROGRAM.search(path.read_text()) is None
