"""The owners' files of data sets become what a bundle reads: NIfTI, points in LPS mm, a list of pairs or cases.

MONAI downloads data sets where it may; for these one must ask their owners.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from common.io import InputError, format_points, read_scan, save_scan, save_text, write_table

from .copd_points import write_copd_points
from .liver_sets import LIVER_SETS, prepare_liver_set
from .lung_pairs import (
    LungPair,
    Side,
    copdgene_pairs,
    creatis_pairs,
    dirlab_pairs,
    learn2reg_lung_pairs,
    popi_pairs,
)
from .source_files import find_files

PAIRS = {
    "dirlab": dirlab_pairs,
    "copdgene": copdgene_pairs,
    "popi": popi_pairs,
    "creatis": creatis_pairs,
    "learn2reg_lung": learn2reg_lung_pairs,
}
LIDC, COPD_POINTS = "lidc", "copd_points"
PRIVATE = {"bfh": "the 92 scans of BFH, a hospital in Beijing, are not public: prepare the other data sets."}
TOLERANCE_MM = 0.05  # of the published distances, which are rounded
FEWEST_SLICES = 30  # of a CT of the chest; radiographs have one or two files
LIST = "pairs.csv"


def prepare(name: str, source: str, output: str) -> str:
    """Turn the files of a data set, as its owner shares them, into scans and a list for --datalist.

    Of lungs: output/images, output/keypoints and output/pairs.csv. The inhaled scan is fixed; in learn2reg_lung the
    exhaled one, as its owner has it. Sizes are checked, and how far landmarks are apart before registration is compared
    with what is published. Of livers: output/images, output/labels where there are labels, each scan cut to the box of
    its liver, and output/dataset.json, to which each data set adds its part of the experiment. What is missing is told;
    the rest is prepared.

    Args:
        name: dirlab, copdgene (raw .img, landmarks in voxels as text), popi, creatis (MetaImage, landmarks in mm as
            text), learn2reg_lung (NIfTI, key points in voxels) or lidc (DICOM series; single scans, for training);
            msd_liver, msd_hepatic_vessel, msd_pancreas (tasks of the Medical Segmentation Decathlon, for training),
            lits (for validation) or sliver (MetaImage; for evaluation); bfh is not public; copd_points (clouds of key
            points and landmarks of the COPDgene pairs as tensors, without scans).
        source: folder with the unpacked files, in whatever folders below.
        output: folder to write.
    """
    if name in PRIVATE:
        return f"Nothing to prepare: {PRIVATE[name]}"
    if name not in (known := (*PAIRS, LIDC, COPD_POINTS, *LIVER_SETS)):
        raise InputError(f"prepare expects one of {', '.join(known)}, got {name}.")
    if not Path(source).is_dir():
        raise FileNotFoundError(f"There is no folder {source}: give the unpacked files of {name} as --source.")
    if name in LIVER_SETS:
        return "\n".join(prepare_liver_set(name, Path(source), Path(output)))
    if name == LIDC:
        return "\n".join(_write_series(Path(source), Path(output)))
    if name == COPD_POINTS:
        rows = write_copd_points(Path(source), Path(output))
        write_table(Path(output) / LIST, rows)
        return f"{len(rows)} pairs -> {Path(output) / LIST}"
    return "\n".join(_write_pairs(PAIRS[name](Path(source)), Path(output)))


def _write_pairs(pairs: Iterable[LungPair], output: Path) -> list[str]:
    rows, told, left_out = [], [], []
    for pair in pairs:
        try:
            sides = pair.find()
            remark = _compare(pair, sides)
            rows.append({"pair": pair.name} | _write_pair(sides, output))
            told.append(remark)
        except (FileNotFoundError, ValueError) as error:
            left_out.append(f"{pair.name} ({str(error).rstrip('.')})")
    if not rows:
        raise FileNotFoundError(f"Nothing can be prepared: {left_out[0]}.")
    write_table(output / LIST, rows)
    return [*told, f"{len(rows)} pairs -> {output / LIST}", *_leftovers(left_out)]


def _write_pair(sides: list[Side], output: Path) -> dict[str, str]:
    """Files of a pair, relative to the list."""
    row = {}
    for side, each in zip(("fixed", "moving"), sides, strict=True):
        row[f"{side}_image"] = f"images/{each.name}.nii.gz"
        row[f"{side}_keypoints"] = f"keypoints/{each.name}.csv"
        each.save(output / row[f"{side}_image"])
        path = output / row[f"{side}_keypoints"]
        save_text(path, format_points(path, torch.from_numpy(each.points)))
    return row


def _compare(pair: LungPair, sides: list[Side]) -> str:
    """Say how far landmarks are apart, and whether that is what is published.

    Raises:
        InputError: if the points do not belong together, or not to their scans.
    """
    fixed, moving = sides
    if len(fixed.points) != len(moving.points):
        raise InputError(f"{len(fixed.points)} landmarks in the fixed scan and {len(moving.points)} in the moving one")
    for each in sides:
        ras = each.points * np.array([-1.0, -1.0, 1.0])
        voxels = (ras - each.affine[:3, 3]) @ np.linalg.inv(each.affine[:3, :3]).T
        if ((voxels < -0.5) | (voxels > np.array(each.shape) - 0.5)).any():
            raise InputError(f"landmarks of {each.name} lie outside of its scan")
    distances = np.linalg.norm(fixed.points - moving.points, axis=1)
    found = f"{len(distances)} landmarks, {distances.mean():.2f} ± {distances.std():.2f} mm before registration"
    told = f"{pair.name}: {found}"
    if pair.published is None:
        return told
    points, mean, deviation, *_ = pair.published
    alike = len(distances) == points and abs(distances.mean() - mean) <= TOLERANCE_MM
    if alike and (deviation is None or abs(distances.std() - deviation) <= TOLERANCE_MM):
        return f"{told}, as published"
    spread = "" if deviation is None else f" ± {deviation:.2f}"
    return f"{told}; published are {points}, {mean:.2f}{spread} mm: are the files those of this case, and complete?"


def _write_series(source: Path, output: Path) -> list[str]:
    """Each DICOM series of enough files as a scan of its own."""
    folders = sorted({path.parent for path in find_files(source, r".*\.dcm")})
    written, small, left_out = 0, 0, []
    for folder in folders:
        if len(list(folder.glob("*.[dD][cC][mM]"))) < FEWEST_SLICES:
            small += 1
            continue
        name = "_".join(folder.relative_to(source).parts) or source.name
        try:
            save_scan(output / "images" / f"{name}.nii.gz", read_scan(folder))
            written += 1
        except ValueError as error:
            left_out.append(f"{name} ({str(error).rstrip('.')})")
    if not written:
        why = left_out[0] if left_out else f"there is no series of {FEWEST_SLICES} .dcm files or more in {source}"
        raise FileNotFoundError(f"Nothing can be prepared: {why}.")
    told = f"{written} scans -> {output / 'images'}"
    return [
        f"{told}; {small} series of fewer than {FEWEST_SLICES} files are no CT" if small else told,
        *_leftovers(left_out),
    ]


def _leftovers(left_out: list[str]) -> list[str]:
    return [f"Left out: {'; '.join(left_out)}."] if left_out else []
