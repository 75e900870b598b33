"""``metrics.json``: what was measured of a pair and what the result was made of, and whether that still holds."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from common.data import PAIR_KEYS, PHASE_KEYS
from common.io import InputError, fingerprint, read_json

RECORD = "metrics.json"
FIELD = "displacement_field.nii.gz"
CLOUD = "displaced_cloud.csv"
RESULT_FILES = (
    FIELD,
    "warped_image.nii.gz",
    "warped_label.nii.gz",
    "warped_keypoints.csv",
    "warped_keypoints.fcsv",
    "warped_keypoints.mrk.json",
    CLOUD,
    "report.png",
    RECORD,
)


def describe_inputs(pair: Mapping[str, Any], settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Describe the files of a pair by their content, see `common.io.fingerprint`, and name its phases.

    Args:
        pair: see `common.data.read_pairs`.
        settings: those that name a file, such as one of an initial transform, are described as well.

    Raises:
        OSError: if a file cannot be read.
    """
    inputs = {key: fingerprint(pair[key]) or {"file": str(pair[key])} for key in PAIR_KEYS if key in pair}
    phases = {key: pair[key] for key in PHASE_KEYS if key in pair}
    named = {key: value for key, value in (settings or {}).items() if isinstance(value, str) and Path(value).is_file()}
    return {**inputs, **phases, **{key: fingerprint(value) for key, value in named.items()}}


def format_record(record: Mapping[str, Any]) -> str:
    """Write a record as JSON.

    Raises:
        InputError: if it holds a number that is not finite, for which JSON has no word.
    """
    for name, value in record.items():
        try:
            json.dumps(value, allow_nan=False, default=_plain)
        except ValueError as error:
            raise InputError(f"The result is not written: its {name} holds a number that is not finite.") from error
    return json.dumps(record, indent=2, default=_plain) + "\n"


def read_record(folder: str | Path) -> dict[str, Any]:
    """Read the record of an earlier run.

    Raises:
        FileNotFoundError: if there is none.
        InputError: if it is damaged.
    """
    record: dict[str, Any] = read_json(Path(folder) / RECORD, dict)
    return record


def differences(record: Mapping[str, Any], folder: str | Path, expected: Mapping[str, Any]) -> str:
    """Say why an earlier result is not what would be made now.

    Args:
        record: of the earlier result.
        folder: where it is.
        expected: what a result would be made of now: ``inputs``, see `describe_inputs`, ``settings`` and anything else
            that is recorded; where ``spatial_dims`` is None, any will do. The ``device`` does not count.

    Returns:
        A phrase, empty where nothing differs.
    """
    files = record.get("files")
    if "inputs" not in record or not isinstance(files, list):
        return "it does not say what it was made of"
    now = json.loads(json.dumps(expected, default=_plain))
    reasons = []
    for name in ("inputs", "settings"):
        keys = _differing(_by_content(record.get(name)), _by_content(now.pop(name, {})))
        if keys:
            reasons.append(f"{name} differ: {', '.join(keys)}")
    others = _differing(_by_content({key: record.get(key) for key in now}), _by_content(now))
    reasons += [f"another {name}" for name in others if name != "device"]
    gone = [name for name in files if not (Path(folder) / str(name)).is_file()]
    return "; ".join([*reasons, *([f"{', '.join(gone)} missing"] if gone else [])])


def _by_content(entries: Any) -> dict[str, Any]:
    """What is compared: of a file its content, if that is known."""
    entries = entries if isinstance(entries, dict) else {}
    return {key: value.get("sha256", value) if isinstance(value, dict) else value for key, value in entries.items()}


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    keys = [key for key in {**now, **before} if before.get(key, ...) != now.get(key, ...)]
    return [key for key in keys if not (key == "spatial_dims" and key in before and now.get(key, ...) is None)]


def _plain(value: Any) -> Any:
    """What JSON does not know: arrays and numpy numbers as they are, everything else by its name."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic | torch.Tensor) else str(value)
