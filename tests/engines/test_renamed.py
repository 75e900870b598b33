"""Old names of options work, wherever they are written, and say how they are called now."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigWorkflow

from common.engines.renamed import RENAMED, use_new_names

FILES = [{"samples": 5, "run": "$@samples"}]


def renamed(**given: Any) -> dict[str, Any]:
    config = {**FILES[0], **given}
    assert use_new_names(config, FILES)
    return config


def test_value_is_handed_to_the_new_name() -> None:
    with pytest.warns(FutureWarning, match=r"^--passes is called --samples now; the old name goes") as warned:
        config = renamed(passes=3)
    assert config == {**FILES[0], "samples": 3}
    assert len(warned) == 1


def test_expressions_of_overlays_find_the_new_name() -> None:
    assert renamed(mine="$@passes + 1") == {**FILES[0], "mine": "$@passes + 1", "passes": "@samples"}
    with pytest.warns(FutureWarning, match="--samples"):
        config = renamed(mine="$@passes + 1", passes=3)
    assert (config["samples"], config["passes"]) == (3, "@samples")


def test_both_names_are_a_mistake() -> None:
    with pytest.raises(ValueError, match=r"^--passes is called --samples now: give one of them, not both\.$"):
        renamed(passes=3, samples=4)


def test_every_new_name_is_an_id_of_a_config() -> None:
    configs = (Path(__file__).parents[2] / "bundles").glob("*/configs/**/*.json")
    assert set(RENAMED.values()) <= {name for config in configs for name in json.loads(config.read_text())}


@pytest.mark.parametrize("old", sorted(RENAMED))
def test_names_still_in_use_stay(old: str) -> None:
    config = {old: 1, RENAMED[old]: 2, "run": f"$@{old} + @{RENAMED[old]}"}
    assert not use_new_names(config, [dict(config)])
    unknown: dict[str, Any] = {old: 1}
    assert not use_new_names(unknown, [])
    assert unknown == {old: 1}


@pytest.mark.parametrize(
    ("default", "given", "expected"),
    [
        (5, 3, 3),
        (5, "$1 + 2", 3),
        ([5, 5], [3, 4], [3, 4]),
        ({"_target_": "datetime.timedelta", "days": 5}, {"_target_": "datetime.timedelta", "days": 3}, timedelta(3)),
    ],
    ids=str,
)
@pytest.mark.parametrize("overlay", [False, True])
def test_workflow_computes_with_what_was_given(
    default: Any, given: Any, expected: Any, overlay: bool, tmp_path: Path
) -> None:
    config = {
        "pairing": default,
        "initialize": [{"_target_": "common.engines.raise_mistakes"}, {"_target_": "common.engines.check_config"}],
        "run": ["@pairing"],
    }
    (tmp_path / "configs").mkdir()
    for name, content in {"configs/train": config, "configs/metadata": {}, "mine": {"pairs": given}}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    files = [str(tmp_path / "configs" / "train.json"), *([str(tmp_path / "mine.json")] if overlay else [])]
    workflow = ConfigWorkflow(files, logging_file=False, **({} if overlay else {"pairs": given}))
    with pytest.warns(FutureWarning, match=r"^--pairs is called --pairing now"):
        workflow.initialize()
    assert workflow.run() == [expected]
