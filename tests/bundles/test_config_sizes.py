"""Configs hold knobs, network, loss and data: what two bundles say alike is built in `common.engines`."""

from itertools import combinations
from pathlib import Path

import pytest

BUNDLES = Path(__file__).parents[2] / "bundles"
LIMITS = {"inference": 50}  # lines
SHARED = 25  # identical lines of two configs
CONFIGS = [path for path in sorted(BUNDLES.glob("*/configs/*.json")) if path.stem in LIMITS]


def lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text().splitlines()]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_configs_are_short(path: Path) -> None:
    assert len(lines(path)) <= LIMITS[path.stem]
    assert max(map(len, path.read_text().splitlines())) <= 120


def test_no_two_configs_say_the_same() -> None:
    shared = {pair: len(set(lines(pair[0])) & set(lines(pair[1]))) for pair in combinations(CONFIGS, 2)}
    assert {pair: count for pair, count in shared.items() if count > SHARED} == {}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_configs_hold_no_program(path: Path) -> None:
    text = path.read_text()
    assert "lambda" not in text
    assert "[:-" not in text
