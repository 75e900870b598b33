"""Every id of every config file is read by something: an option that changes nothing is not offered."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from monai.bundle.properties import InferProperties, TrainProperties
from monai.bundle.reference_resolver import ReferenceResolver
from monai.utils import BundlePropertyConfig

BUNDLES = Path(__file__).parents[2] / "bundles"
FILES = [path for path in sorted(BUNDLES.glob("*/configs/**/*.json")) if path.name != "metadata.json"]
# What MONAI reads by name: the steps of a run, the properties of a bundle, and what MONAI Label looks for
STEPS = {"imports", "initialize", "run", "finalize"}
LABEL = {"displayable_configs", "pre_transforms", "post_transforms", "network"}
PROPERTIES = {
    properties[BundlePropertyConfig.ID] for kind in (TrainProperties, InferProperties) for properties in kind.values()
}
MONAI = STEPS | LABEL | PROPERTIES


def content(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text())
    return loaded


def is_base(path: Path) -> bool:
    return {"imports", "network_def"} <= content(path).keys()


def compositions(path: Path) -> list[list[Path]]:
    """The lists of config files in which a file is used: alone, or behind those it is an overlay of."""
    if is_base(path):
        return [[path]]
    configs = path.parent if path.parent.name == "configs" else path.parent.parent
    bases = [other for other in sorted(configs.glob("*.json")) if is_base(other)]
    evaluate = [configs / "train.json", configs / "evaluate.json"]
    return [[base, path] for base in bases] + [[*evaluate, path]]


def texts(config: Any) -> Iterator[str]:
    if isinstance(config, str):
        yield config
    elif isinstance(config, dict | list):
        for value in config.values() if isinstance(config, dict) else config:
            yield from texts(value)


def ids(path: Path) -> Iterator[str]:
    """The ids of a file; those of the two sections of a training one by one."""
    for name, value in content(path).items():
        name = ReferenceResolver.normalize_id(name.lstrip("+"))
        yield from (f"{name}::{inner}" for inner in value) if name in ("train", "validate") else (name,)


def is_read(name: str, files: list[Path]) -> bool:
    """Whether MONAI or the files refer to an id, to a part of it, or to what it is a part of."""
    strings = (text for file in files for text in texts(content(file)))
    read = MONAI.union(*(ReferenceResolver.match_refs_pattern(text) for text in strings))
    return any(f"{each}::".startswith(f"{name}::") or f"{name}::".startswith(f"{each}::") for each in read)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parents[1].name}-{path.stem}")
def test_every_id_is_read(path: Path) -> None:
    useless = [name for name in ids(path) if not any(is_read(name, files) for files in compositions(path))]
    assert useless == []


@pytest.mark.parametrize("path", [path for path in FILES if path.stem == "inference"], ids=str)
def test_the_loader_that_each_pair_gets_anew_is_no_option(path: Path) -> None:
    assert "dataloader" not in content(path)


def test_an_id_that_nothing_reads_is_found(tmp_path: Path) -> None:
    train = {"network_def": {}, "train": {"dataset": "@cases", "sampler": None}, "cases": [], "batch": 1}
    (tmp_path / "configs").mkdir()
    path = tmp_path / "configs" / "train.json"
    path.write_text(json.dumps(train))
    assert [name for name in ids(path) if not is_read(name, [path])] == ["train::sampler", "batch"]
