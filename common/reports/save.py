"""The files of one registered pair."""

import json
import time
from collections.abc import Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from monai.transforms import Transform

from common.io import InputError, format_points, points_suffix, save_scan, save_text, write_field, write_together
from common.transforms import field_of

from .record import CLOUD, FIELD, RECORD, RESULT_FILES, format_record
from .report import write_cloud_report, write_report


class SaveRegistrationd(Transform):
    """Write what a registration gives, in the fixed scan's grid: the contract of every bundle.

    ``displacement_field.nii.gz``, ``warped_image.nii.gz``, ``warped_label.nii.gz`` and ``warped_keypoints`` (where
    given, in the format of the moving ones), ``displaced_cloud.csv`` (of a cloud: where its points lie in the moving
    one), ``report.png`` and, last, ``metrics.json``: its seconds contain the writing of the others. They
    replace those of an earlier result as a whole, see `common.io.write_together`: none of
    it is left, and other files of the folder stay.

    Args:
        output_dir: folder of the results; a pair with a name (``pair``) gets a folder in it. What the pair was made of
            (``made_of``, JSON) is recorded with what was measured.
    """

    def __init__(self, output_dir: str | Path) -> None:
        self.output_dir = Path(output_dir)

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Write the files.

        Raises:
            InputError: if the field, an image or a figure is not finite.
            OSError: if a file cannot be written; an earlier result stays as it was.
        """
        for key, name in (("displacement_field", "displacement field"), ("warped_image", "warped image")):
            if key in data and not bool(torch.as_tensor(data[key]).isfinite().all()):
                raise InputError(
                    f"The {name} is not finite, and no result is written: are the weights damaged, or the intensities?"
                )

        format_record(_record(data))  # whether it can be written, before anything is

        def write(folder: Path) -> None:
            _write(folder, data)
            save_text(folder / RECORD, format_record(_record(data)))

        write_together(self.output_dir / str(data.get("pair", "")), RESULT_FILES, write)
        return dict(data)


def _record(data: Mapping[Any, Any]) -> dict[str, Any]:
    seconds = {name: float(value) for name, value in data["seconds"].items()}
    seconds["write"] = time.perf_counter() - float(data["clock"])
    made_of = json.loads(data.get("made_of", "{}"))
    record = {**data["metrics"], "seconds": {"total": sum(seconds.values()), **seconds}, **made_of}
    if "spatial_dims" in record.get("settings", {}):  # where none were asked for, those of the pair
        record["settings"] = {**record["settings"], "spatial_dims": len(data["displacement_field"])}
    return record | {"files": _names(data)}


def _names(data: Mapping[Any, Any]) -> list[str]:
    """The files of this result but its record."""
    there = [name for name in RESULT_FILES if name.removesuffix(".nii.gz") in data]
    points = [_points_name(data)] if "warped_keypoints" in data else []
    clouds = [CLOUD] if "displaced_cloud" in data else []
    return [*there, *points, *clouds, *(["report.png"] if "warped_image" in data or clouds else [])]


def _points_name(data: Mapping[Any, Any]) -> str:
    return f"warped_keypoints{points_suffix(str(data['moving_keypoints_file']))}"


def _write(folder: Path, data: Mapping[Any, Any]) -> None:
    with ThreadPoolExecutor(1) as beside:  # it compresses, while the picture is drawn
        volumes = beside.submit(_write_volumes, folder, data)
        if "warped_keypoints" in data:
            path = folder / _points_name(data)
            labels = data.get("moving_keypoints_labels", ())
            save_text(path, format_points(path, torch.as_tensor(data["warped_keypoints"]), labels))
        if "displaced_cloud" in data:
            save_text(folder / CLOUD, format_points(CLOUD, torch.as_tensor(data["displaced_cloud"])))
        if "warped_image" in data:
            write_report(folder / "report.png", data)
        elif "displaced_cloud" in data:
            write_cloud_report(folder / "report.png", data)
        volumes.result()


def _write_volumes(folder: Path, data: Mapping[Any, Any]) -> None:
    write_field(folder / FIELD, field_of(data["displacement_field"]))
    for key in ("warped_image", "warped_label"):
        if key in data:
            save_scan(folder / f"{key}.nii.gz", data[key])
