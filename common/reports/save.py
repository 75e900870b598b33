"""The files of one registered pair."""

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform

from common.io import format_points, points_suffix, save_scan, save_text, write_field
from common.transforms import field_of

from .report import write_report


class SaveRegistrationd(Transform):
    """Write what a registration gives, in the fixed scan's grid: the contract of every bundle.

    ``displacement_field.nii.gz``, ``warped_image.nii.gz``, ``warped_label.nii.gz`` and ``warped_keypoints`` (where
    given, in the format of the moving ones), ``report.png`` and, last, ``metrics.json``.

    Args:
        output_dir: folder of the results; a pair with a name (``pair``) gets a folder in it.
        provenance: written to ``metrics.json`` as it is: bundle, version, device, settings.
    """

    def __init__(self, output_dir: str | Path, provenance: Mapping[str, Any]) -> None:
        self.output_dir = Path(output_dir)
        self.provenance = dict(provenance)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Write the files.

        Raises:
            OSError: if one cannot be written; none is left half-written.
        """
        folder = self.output_dir / str(data.get("pair", ""))
        write_field(folder / "displacement_field.nii.gz", field_of(data["pred"]))
        for key in ("warped_image", "warped_label"):
            if key in data:
                save_scan(folder / f"{key}.nii.gz", data[key])
        if "warped_keypoints" in data:
            points = torch.as_tensor(data["warped_keypoints"])
            labels = data.get("moving_keypoints_labels", ())
            suffix = points_suffix(str(data["moving_keypoints_file"]))
            save_text(folder / f"warped_keypoints{suffix}", format_points(f"points{suffix}", points, labels))
        write_report(folder / "report.png", data)
        seconds = {name: float(value) for name, value in data["seconds"].items()}
        record = {**data["metrics"], "seconds": {"total": sum(seconds.values()), **seconds}, **self.provenance}
        if "spatial_dims" in record.get("settings", {}):  # where none were asked for, those of the pair
            record["settings"] = {**record["settings"], "spatial_dims": len(data["pred"])}
        save_text(folder / "metrics.json", json.dumps(record, indent=2, default=_plain) + "\n")
        return dict(data)


def _plain(value: Any) -> Any:
    """What JSON does not know: arrays and numpy numbers as they are, everything else by its name."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic | torch.Tensor) else str(value)
