"""The picture of one registered pair, seen as radiologists see it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray

from common.io import grid_of
from common.spatial import displacement_from_world

from .cloud_figure import cloud_report
from .figure import registration_report

CLOUDS = ("fixed", "moving", "displaced")
LABEL_NAMES = {"fixed": "fixed_label", "before": "unaligned_label", "warped": "warped_label"}


def write_report(path: str | Path, data: Mapping[Any, Any]) -> None:
    """Draw a pair after `common.transforms.MeasureRegistrationd`.

    Args:
        path: PNG file to write.
        data: ``fixed_image unaligned_image warped_image displacement_field metrics``; label maps of these names where
            given, and ``pair`` and ``made_of``, the names of which stand above the picture.

    Raises:
        OSError: if the file cannot be written.
    """
    fixed = data["fixed_image"]
    before, warped = (to_canonical(data[key]) for key in ("unaligned_image", "warped_image"))
    labels = {name: to_canonical(data[key]) for name, key in LABEL_NAMES.items() if key in data}
    _, order = canonical_orientation(fixed)
    registration_report(
        path,
        to_canonical(fixed),
        before,
        warped,
        field_to_canonical(data["displacement_field"]),
        [float(grid_of(fixed).spacing[axis]) for axis in order],
        labels=labels if "warped" in labels and "fixed" in labels else None,
        title_lines=_title(data),
        figures=_figures(data["metrics"]),
        placed=fixed.meta.get("placed", True),
    )


def write_cloud_report(path: str | Path, data: Mapping[Any, Any]) -> None:
    """Draw a pair of clouds without scans after `common.transforms.MeasureRegistrationd`.

    Args:
        path: PNG file to write.
        data: ``fixed_cloud moving_cloud displaced_cloud metrics``; and what `write_report` takes for the title.

    Raises:
        OSError: if the file cannot be written.
    """
    fixed, moving, displaced = (torch.as_tensor(data[f"{name}_cloud"]).numpy() for name in CLOUDS)
    cloud_report(path, fixed, moving, displaced, _title(data), _figures(data["metrics"]))


def to_canonical(image: MetaTensor) -> NDArray:
    """Reorder and flip the voxels of a scan ``(1, *spatial)`` so that its axes run along R, A (and S)."""
    orientation, _ = canonical_orientation(image)
    return np.asarray(nib.orientations.apply_orientation(image.as_tensor()[0].numpy(), orientation))


def field_to_canonical(displacement: MetaTensor) -> NDArray:
    """Turn a field ``(d, *spatial)``, LPS mm, into voxels along R, A (and S), components with their axes."""
    orientation, order = canonical_orientation(displacement)
    affine = grid_of(displacement).affine.clone()
    affine[:-1, :-1] = affine[:-1, order] * torch.from_numpy(orientation[order, 1])
    components = displacement_from_world(displacement.as_tensor()[None], affine)[0].movedim(0, -1).numpy()
    return np.moveaxis(nib.orientations.apply_orientation(components, orientation), -1, 0)  # a view


def canonical_orientation(image: MetaTensor) -> tuple[NDArray, list[int]]:
    """The orientation nibabel finds of the voxel axes, and the voxel axis that runs along R, A, S."""
    dims = image.ndim - 1
    orientation = nib.orientations.io_orientation(grid_of(image).affine_3d().numpy())[:dims]
    return orientation, np.argsort(orientation[:, 0]).astype(int).tolist()


def _title(data: Mapping[Any, Any]) -> list[str]:
    """Name of the pair; its scans or clouds, and what registered them; its labels."""
    made_of = json.loads(data.get("made_of", "{}"))
    inputs = made_of.get("inputs", {})
    kind = "image" if "fixed_image" in inputs else "cloud"
    scans = [Path(inputs.get(f"{side}_{kind}", {}).get("file", "")).name for side in ("moving", "fixed")]
    registered = [" onto ".join(scans)] if all(scans) else []
    program = [" ".join(str(made_of[key]) for key in ("bundle", "version") if made_of.get(key))]
    labels = ", ".join(data["metrics"].get("dice", {}).get("per_label", {}))
    told = [*registered, *filter(None, program), *([f"labels {labels}"] if labels else [])]
    return [str(data.get("pair", "Registration")), *(["  ·  ".join(told)] if told else [])]


def _figures(metrics: Mapping[str, Any]) -> dict[str, Any]:
    names = {"dice": "Dice", "hd95_mm": "HD95 (mm)", "tre_mm": "TRE (mm)"}
    figures: dict[str, Any] = {
        f"{text}{' (guided)' * metrics[name].get('guided', False)}": (metrics[name]["before"], metrics[name]["after"])
        for name, text in names.items()
        if name in metrics
    }
    if similarity := metrics.get("similarity"):
        figures["NMI"] = (similarity["before"], similarity["after"])
    return figures | {"folding (%)": metrics["folding_percent"], "SDlogJ": metrics["sdlogj"]}
