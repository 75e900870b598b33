"""CT scans of the liver as the owners of the data sets share them, and how they are cut to the liver.

MONAI's `DecathlonDataset` downloads the Decathlon's sets and leaves the cutting to its user.
"""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from monai.data import MetaTensor
from monai.transforms import Orientation

from common.features import liver_box
from common.io import InputError, grid_of, read_json, read_scan, save_text, write_nifti
from common.spatial import box_grid, center_of, place_centered, resample, sample

from .source_files import find_files

SIZE = (128, 128, 128)
WINDOW = (-25, 265)  # HU: level 120, width 290
LIST = "dataset.json"


class LiverSet(NamedTuple):
    """Where a data set has its scans.

    Attributes:
        folders: that hold them, as a pattern.
        image: pattern of their names; its group is the number of the case.
        label: the name of a label map, by that number; above 0 is liver. None where there is none.
        part: of the experiment of the paper.
        scans: how many it has there.
    """

    folders: str
    image: str
    label: str | None
    part: str
    scans: int


LIVER_SETS = {
    # The scans with labels of this task, in imagesTr, are those of LiTS.
    "msd_liver": LiverSet(r"imagesTs", r"liver_(\d+)\.nii(\.gz)?", None, "training", 70),
    "msd_hepatic_vessel": LiverSet(r"images(Tr|Ts)", r"hepaticvessel_(\d+)\.nii(\.gz)?", None, "training", 443),
    "msd_pancreas": LiverSet(r"images(Tr|Ts)", r"pancreas_(\d+)\.nii(\.gz)?", None, "training", 420),
    "lits": LiverSet(r".*", r"volume-(\d+)\.nii(\.gz)?", r"segmentation-{}\.nii(\.gz)?", "validation", 131),
    "sliver": LiverSet(r".*", r"liver-orig(\d+)\.mhd", r"liver-seg{}\.mhd", "evaluation", 20),
}


def prepare_liver_set(name: str, source: Path, output: Path) -> list[str]:
    """Cut every scan to its liver, see `cut_to_liver`, and list what is written with its part of the experiment.

    Args:
        name: of `LIVER_SETS`.
        source: folder with the files, in whatever folders below.
        output: folder for ``images``, ``labels`` and the list, which keeps what it has of other data sets.

    Returns:
        What was done, in sentences.

    Raises:
        FileNotFoundError: if there is no such scan, or none with its label map.
        InputError: if the list that is there cannot be read.
    """
    chosen, left_out = LIVER_SETS[name], []
    listed = _listed(output / LIST, chosen.part)
    cases: list[dict[str, str]] = []
    paths = [path for path in find_files(source, chosen.image) if re.fullmatch(chosen.folders, path.parent.name)]
    for path in paths:
        try:
            cases.append(_write_case(name, path, source, output, {case["image"] for case in cases}))
        except ValueError as error:
            left_out.append(f"{path.name} ({str(error).rstrip('.')})")
    if not cases:
        why = left_out[0] if left_out else f"there is no file {_told(chosen)} below {source}"
        raise FileNotFoundError(f"Nothing can be prepared: {why}.")
    others = [case for case in listed.get(chosen.part, []) if not case["image"].startswith(f"images/{name}_")]
    save_text(output / LIST, json.dumps(listed | {chosen.part: [*others, *cases]}, indent=4) + "\n")
    told = f"{len(cases)} scans for {chosen.part} -> {output / LIST}"
    if len(cases) != chosen.scans:
        told = f"{told}; the paper has {chosen.scans} of this data set"
    return [told, f"Left out: {'; '.join(left_out)}."] if left_out else [told]


def _listed(path: Path, part: str) -> dict[str, Any]:
    """What a list holds already."""
    listed: dict[str, Any] = read_json(path, dict) if path.is_file() else {}
    cases = listed.get(part, [])
    if not isinstance(cases, list) or not all(
        isinstance(case, dict) and isinstance(case.get("image"), str) for case in cases
    ):
        rule = f"list the cases for {part} as records with image"
        raise InputError(f"{path} is expected to {rule}: choose another --output.")
    return listed


def _readable(pattern: str) -> str:
    """Names of files as people write them."""
    return pattern.replace(r"(\d+)", "*").replace(r"(\.gz)?", "[.gz]").replace("\\", "")


def _told(chosen: LiverSet) -> str:
    file = _readable(chosen.image)
    return file if chosen.folders == ".*" else f"{file} in a folder {chosen.folders}"


def _write_case(name: str, path: Path, source: Path, output: Path, written: Collection[str]) -> dict[str, str]:
    """Files of a case, relative to the list."""
    file = f"{name}_{path.name.split('.')[0]}.nii.gz"
    if f"images/{file}" in written:
        raise InputError(f"{path.parent} has another scan of this name")
    scan, label = read_scan(path), _label_of(path, LIVER_SETS[name], source)
    if label is not None and label.shape != scan.shape:
        shapes = f"{tuple(scan.shape[1:])} and {tuple(label.shape[1:])}"
        raise InputError(f"scan and label map are expected to be of one shape, got {shapes}")
    case = {"image": f"images/{file}"} | ({} if label is None else {"label": f"labels/{file}"})
    for kind, part in zip(case, cut_to_liver(scan, label), strict=False):
        write_nifti(output / case[kind], part[0].numpy(), part.affine.numpy())
    return case


def _label_of(path: Path, chosen: LiverSet, source: Path) -> MetaTensor | None:
    number = re.fullmatch(chosen.image, path.name, re.IGNORECASE)
    if chosen.label is None or number is None:
        return None
    pattern = chosen.label.format(number[1])
    labels = find_files(source, pattern)
    if not labels:
        raise InputError(f"there is no label map {_readable(pattern)}")
    return read_scan(labels[0], label=True)


def cut_to_liver(scan: MetaTensor, label: MetaTensor | None = None) -> list[MetaTensor]:
    """Cut a scan to the box of its liver, stretched to `SIZE` voxels with axes to the right, the front and the head.

    Args:
        scan: CT, ``(1, *spatial)``, HU, affine RAS.
        label: above 0 in the liver, same shape; without it the liver is found in the scan, see
            `common.features.liver_box`.

    Returns:
        ``(1, *SIZE)``: the scan, HU clipped to `WINDOW`, int16, and the liver as 1, uint8, if there is a label.
    """
    turn = Orientation("RAS", labels=None)
    turned = cast(MetaTensor, turn(scan))
    liver = (
        None
        if label is None
        else cast(MetaTensor, turn(MetaTensor((label.as_tensor() > 0).float(), affine=label.affine)))
    )
    box = liver_box(turned, liver)
    frame = box_grid(grid_of(turned), box)
    steps = frame.affine[:-1, :-1] * (torch.tensor(frame.shape) / torch.tensor(SIZE))
    grid = place_centered(SIZE, steps, center_of(frame))
    image = resample(turned.as_tensor()[(None, slice(None), *box)], frame.affine, grid)[0]
    parts = [MetaTensor(image.clamp(*WINDOW).round().to(torch.int16), affine=grid.affine)]
    if liver is not None:
        mask = sample(liver.as_tensor()[None], grid.map_to(grid_of(liver).affine), mode="nearest")[0]
        parts.append(MetaTensor(mask.to(torch.uint8), affine=grid.affine))
    return parts
