"""What MONAI Label runs of a bundle: transforms and network without the evaluator, and training on cases it names.

The server itself is no dependency; `StudyPaird` meets a stand-in in its own test.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bundle_runs import QUIET
from monai.bundle import ConfigParser, run
from monai.transforms import Compose

from common.engines import AnsweringCompose
from common.io import read_scan
from common.transforms import StudyPaird

BUNDLES = Path(__file__).parents[2] / "bundles"
NAMES = [path.parent.parent.name for path in sorted(BUNDLES.glob("*/configs/inference.json"))]
FINE_TUNING = [
    str(BUNDLES / "hippocampus_mr_symmetric" / "configs" / f"{name}.json") for name in ("train", "monai_label")
]


@pytest.mark.filterwarnings("ignore:.*antialiasing:UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_label_is_that_of_the_command_line(name: str, phantom: dict[str, str], tmp_path: Path) -> None:
    config = BUNDLES / name / "configs" / "inference.json"
    options: dict[str, Any] = {"bundle_root": str(BUNDLES / name), "device": "cpu", "output_dir": str(tmp_path)}
    pair: dict[str, Any] = {key: phantom[key] for key in ("fixed_image", "moving_image", "moving_label")}
    parser = ConfigParser(ConfigParser.load_config_file(str(config)))  # as in the server, without the metadata
    weights = BUNDLES / name / "models" / "model.pt"
    if "checkpoint" in parser and not weights.is_file():  # weights are not there yet: others, as the server's
        weights = tmp_path / "model.pt"
        torch.save(parser.get_parsed_content("network_def").state_dict(), weights)
        options["checkpoint"] = str(weights)
    run(config_file=str(config), logging_file=QUIET, **options, **pair)
    parser.update(options)
    (answering,) = parser.get_parsed_content("pre_transforms")
    study_pair, preprocessing = answering.transforms
    assert isinstance(answering, AnsweringCompose)
    assert isinstance(study_pair, StudyPaird)
    data = preprocessing({"image": pair["fixed_image"], **pair})
    network = parser.get_parsed_content("network_def").eval()
    if "checkpoint" in parser:
        network.load_state_dict(torch.load(weights, weights_only=True))
    with torch.no_grad():
        data["pred"] = parser.get_parsed_content("inferer")(data["image"][None], network)[0]
    label = Compose(parser.get_parsed_content("post_transforms"))(data)["pred"]

    written = read_scan(tmp_path / "warped_label.nii.gz", label=True)
    np.testing.assert_array_equal(label, written[0])
    np.testing.assert_allclose(label.affine, written.affine, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_server_offers_the_weights_of_the_anatomy_alone(name: str) -> None:
    assert {path.name for path in (BUNDLES / name / "models").glob("*.pt")} <= {"model.pt"}


def fine_tune(phantom: dict[str, str], root: Path, **options: Any) -> None:
    """Train as the server does: from the weights there are, on cases it names."""
    cases = [{"image": phantom[f"{side}_image"], "label": phantom[f"{side}_label"]} for side in ("fixed", "moving")]
    data: dict[str, Any] = {"train#trainer#max_epochs": 1, "train#dataset#data": cases, "validate#dataset#data": cases}
    run(
        config_file=FINE_TUNING,
        logging_file=QUIET,
        bundle_root=str(root),
        device="cpu",
        **data,
        multiplier=1,
        labels=list(range(1, 14)),
        spacing=[12.0] * 3,
        spatial_size=[16, 16, 32],
        num_workers=0,
        **options,
    )


def test_training_on_given_cases_leaves_the_weights_of_the_bundle(phantom: dict[str, str], tmp_path: Path) -> None:
    fine_tune(phantom, tmp_path)
    weights = torch.load(tmp_path / "models" / "model.pt", weights_only=True)
    parser = ConfigParser(
        ConfigParser.load_config_file(str(BUNDLES / "hippocampus_mr_symmetric" / "configs" / "inference.json"))
    )
    parser["multiplier"] = 1
    network = parser.get_parsed_content("network_def")
    network.load_state_dict(weights)

    loader = {
        "_target_": "CheckpointLoader",
        "load_path": str(tmp_path / "start.pt"),
        "load_dict": {"model": "@network"},
    }
    torch.save(weights, tmp_path / "start.pt")
    parser.read_config(FINE_TUNING)
    handlers = [loader, *parser["train#handlers"]]  # as the server puts it
    fine_tune(phantom, tmp_path, **{"train#handlers": handlers}, learning_rate=10.0)
    kept = torch.load(tmp_path / "models" / "model.pt", weights_only=True)
    assert all(torch.equal(kept[name], weights[name]) for name in weights)  # worse ones never replace them
