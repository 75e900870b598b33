"""A label map on the grid of its scan, whatever the order and direction of its axes in the file.

MONAI takes labels voxel by voxel, wherever their headers put them.
"""

from pathlib import Path
from typing import cast

from monai.data import MetaTensor
from monai.transforms import Orientation
from nibabel.orientations import aff2axcodes

from .grid import grid_of, largest_distance
from .input_error import InputError


def fit_label(label: MetaTensor, scan: MetaTensor, path: str | Path) -> MetaTensor:
    """Give a label map the axes of its scan, as converters turn them, if it does not lie on its grid as it is.

    Args:
        label: ``(C, *spatial)``; its ``meta["placed"]`` says whether its header has a place, without which it lies
            where its scan does. Those of two axes are taken as they are.
        scan: ``(C, *spatial)``.
        path: of the label map, for the message.

    Returns:
        The label map, axes as in the scan.

    Raises:
        InputError: if it has not the shape of its scan, or its header puts a voxel more than half a voxel away.
    """
    mistake = _mistake(label, scan)
    if mistake and label.meta["placed"] and scan.ndim == label.ndim == 4:
        label = cast(MetaTensor, Orientation("".join(aff2axcodes(scan.affine.numpy())), labels=None)(label))
        mistake = _mistake(label, scan)
    if mistake:
        raise InputError(f"{path} is expected to {mistake}.")
    return label


def _mistake(label: MetaTensor, scan: MetaTensor) -> str:
    got, expected = tuple(label.shape[1:]), tuple(scan.shape[1:])
    if got != expected:
        return f"have the shape {expected} of its scan, got {got}"
    if not label.meta["placed"]:
        return ""
    distance = largest_distance(expected, grid_of(label).affine, grid_of(scan).affine)
    if distance <= float(grid_of(scan).spacing.min()) / 2:
        return ""
    return f"lie where its scan does, but their headers are up to {distance:.3g} mm apart"
