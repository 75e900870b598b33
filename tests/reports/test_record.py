"""What a result was made of, and whether it still is."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from common.reports.record import describe_inputs, differences, format_record, read_record

EXPECTED: dict[str, Any] = {
    "bundle": "a_b_c",
    "weights": {"file": "model.pt", "bytes": 3, "sha256": "1"},
    "device": torch.device("cpu"),
    "settings": {"spacing": (1, 2), "spatial_dims": None},
    "inputs": {"fixed_image": {"file": "f.nii", "bytes": 3, "sha256": "2"}, "fixed_phase": 1},
}


def record(**changed: Any) -> dict[str, Any]:
    return json.loads(format_record({**EXPECTED, "files": [], **changed}))


def test_differences_of_the_same_are_none(tmp_path: Path) -> None:
    settings = {"spacing": [1, 2], "spatial_dims": 2}  # those of the pair, where none were asked for
    moved = {"fixed_image": {"file": "elsewhere.nii", "bytes": 3, "sha256": "2"}, "fixed_phase": 1}
    assert differences(record(settings=settings, inputs=moved, device="cuda"), tmp_path, EXPECTED) == ""


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"settings": {"spacing": [1, 3], "spatial_dims": 3}}, "settings differ: spacing"),
        ({"settings": {"spacing": [1, 2], "spatial_dims": 3, "gone": 1}}, "settings differ: gone"),
        ({"inputs": {"fixed_image": {"sha256": "3"}, "fixed_phase": 1}}, "inputs differ: fixed_image"),
        ({"inputs": {**EXPECTED["inputs"], "moving_label": {"sha256": "3"}}}, "inputs differ: moving_label"),
        ({"inputs": {**EXPECTED["inputs"], "fixed_phase": 2}}, "inputs differ: fixed_phase"),
        ({"weights": None}, "another weights"),
        ({"bundle": "d", "inputs": 3}, "inputs differ: fixed_image, fixed_phase; another bundle"),
        ({"files": ["report.png"]}, "report.png missing"),
        ({"files": 3}, "it does not say what it was made of"),
    ],
)
def test_differences_are_told(changed: dict[str, Any], why: str, tmp_path: Path) -> None:
    assert differences(record(**changed), tmp_path, EXPECTED) == why


def test_describe_inputs_names_files_phases_and_a_transform(tmp_path: Path) -> None:
    for name in ("f.nii", "start.tfm"):
        (tmp_path / name).write_text(name)
    pair = {"fixed_image": str(tmp_path / "f.nii"), "moving_image": "absent.nii", "fixed_phase": 3, "pair": "1_f_m"}
    settings = {"initial_transform": str(tmp_path / "start.tfm"), "features": "mind", "spacing": None}
    inputs = describe_inputs(pair, settings)
    assert list(inputs) == ["fixed_image", "moving_image", "fixed_phase", "initial_transform"]
    assert inputs["moving_image"] == {"file": "absent.nii"}
    assert inputs["initial_transform"]["bytes"] == len("start.tfm")


def test_format_record_knows_arrays() -> None:
    values = {"numpy": np.float32(0.5), "tensor": torch.ones(2), "device": torch.device("cpu"), "none": None}
    assert json.loads(format_record(values)) == {"numpy": 0.5, "tensor": [1.0, 1.0], "device": "cpu", "none": None}


@pytest.mark.parametrize("value", [float("nan"), {"a": [float("inf")]}, np.float32("nan"), torch.tensor([torch.nan])])
def test_format_record_rejects_what_json_has_no_word_for(value: Any) -> None:
    with pytest.raises(ValueError, match="The result is not written: its dice holds a number that is not finite"):
        format_record({"sdlogj": 1.0, "dice": value})


def test_read_record_tells_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="There is no file"):
        read_record(tmp_path)
    for text in ("{", "3"):
        (tmp_path / "metrics.json").write_text(text)
        with pytest.raises(ValueError, match=r"metrics\.json is not JSON"):
            read_record(tmp_path)
