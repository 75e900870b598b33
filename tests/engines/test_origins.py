"""What results were made of: no knob of any config can be forgotten."""

import json
from pathlib import Path
from typing import Any

import pytest
from monai.bundle import ConfigParser

from common.data import PAIR_KEYS
from common.engines import provenance
from common.engines.origins import knobs_of

BUNDLES = Path(__file__).parents[2] / "bundles"
CONFIGS = [
    (bundle.name, names)
    for bundle in sorted(BUNDLES.iterdir())
    for names in (("inference",), ("inference", "variants/paper"))
    if all((bundle / "configs" / f"{name}.json").is_file() for name in names)
]
# ids with a plain value that change no result: inputs, places, what MONAI reads, and how much is done at once
OTHERS = {*PAIR_KEYS, "datalist", "cine", "label", "fixed_phase", "moving_phase", "bundle_root", "slices_at_once"}
OTHERS |= {"output_dir", "dataset_dir", "device", "checkpoint", "network", "segmenter"}


def parser_of(bundle: str, *names: str, **options: Any) -> ConfigParser:
    parser = ConfigParser()
    parser.read_config([str(BUNDLES / bundle / "configs" / f"{name}.json") for name in names])
    parser.update(options)
    parser["bundle_root"] = str(BUNDLES / bundle)
    return parser


def test_knobs_are_literals_and_expressions_of_knobs() -> None:
    config = {
        "spacing": None,
        "window": [0, 1],
        "labels": {"1": 2},
        "released": True,
        "transformer": "bspline",
        "weight": "$10.0 if @released else 1.0",
        "same": "@spacing",
        "network": "$@network_def.to(@device)",
        "network_def": {"_target_": "torch.nn.Conv3d"},
        "files": ["@fixed_image"],
        "_meta_": {"version": "1"},
        "device": "cpu",
        "output_dir": "here",
        "fixed_image": "a.nii",
        "initial_transform": "start.tfm",
        "now": "$time.time()",
        "slices_at_once": 3,
        "moving_phase": 2,
        "checkpoint": "model.pt",
    }
    config |= {"run": [f"@{name}" for name in config], "unread": 1}
    knobs = ["spacing", "window", "labels", "released", "transformer", "weight", "same", "initial_transform"]
    assert knobs_of(config) == knobs


@pytest.mark.parametrize(("bundle", "names"), CONFIGS, ids=str)
def test_no_knob_of_a_config_is_forgotten(bundle: str, names: tuple[str, ...]) -> None:
    """Whatever the bundle's own file or overlay gives a plain value is a setting, unless it is named above."""
    parser = parser_of(bundle, *names)
    config = parser.get()
    texts = json.dumps(config)
    plain = {name for name, value in config.items() if f"@{name}" in texts and "_target_" not in str(value)}
    settings = parser.get_parsed_content("provenance")["settings"]
    assert set(settings) == plain - OTHERS


@pytest.mark.parametrize(("bundle", "names"), CONFIGS, ids=str)
def test_every_knob_changes_what_is_recorded(bundle: str, names: tuple[str, ...]) -> None:
    before = parser_of(bundle, *names).get_parsed_content("provenance")["settings"]
    for name in before:
        changed = parser_of(bundle, *names, **{name: "other"}).get_parsed_content("provenance")["settings"]
        assert changed[name] == "other"


def test_provenance_evaluates_expressions_of_knobs() -> None:
    names = ("inference", "variants/paper")
    for features, weight in (("mind", 1.0), ("trained", 10.0)):
        made_of = parser_of("abdomen_ct_self_training", *names, features=features).get_parsed_content("provenance")
        assert made_of["settings"]["regularization"] == weight


def test_provenance_describes_bundle_device_and_weights() -> None:
    parser = parser_of("hippocampus_mr_symmetric", "inference", device="cpu", _meta_={"version": "1.2.3"})
    made_of = parser.get_parsed_content("provenance")
    weights = made_of["weights"]
    assert Path(weights["file"]) == BUNDLES / "hippocampus_mr_symmetric" / "models" / "model.pt"
    assert (made_of["bundle"], made_of["version"], made_of["device"]) == ("hippocampus_mr_symmetric", "1.2.3", "cpu")
    assert "weights" not in parser_of("abdomen_ct_self_training", "inference").get_parsed_content("provenance")


def test_provenance_outside_of_a_config_has_no_settings() -> None:
    assert provenance("a_b_c") == {"bundle": "a_b_c", "version": None, "device": None, "settings": {}}


def test_a_segmenter_is_described_by_its_weights(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"weights")
    parser = parser_of("abdomen_ct_self_training", "inference", segmenter=str(tmp_path), features="segmentation")
    made_of = parser.get_parsed_content("provenance")
    assert made_of["segmenter"]["bytes"] == 7
    assert "segmenter" not in made_of["settings"]
    assert made_of["settings"]["features"] == "segmentation"
