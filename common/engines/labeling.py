"""Labels for every scan of a folder, and a table of what looks wrong with them.

MONAI's evaluators stop at the first scan that fails, and do not look at what they wrote.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor

from common.io import InputError, find_mistake, fingerprint, fit_label, read_scan, write_table
from common.transforms import map_labels

from ._label_records import LabelRecords
from .segmenter import Segmenter, merge_true_labels
from .workflow import sentence

logger = logging.getLogger("common")
REPORT = "report.csv"
DEVIATIONS = 3.0
TO_SIGMA = 1.4826  # standard deviation of a normal distribution whose median absolute deviation is 1


def label_scans(
    segmenter: Segmenter,
    images: str | Path,
    output: str | Path,
    save: Callable[[Path, MetaTensor], None],
    labels: str | Path | None = None,
    label_map: Mapping[Any, int | Sequence[int]] | None = None,
) -> None:
    """Label every scan of a folder, and write volumes and what stands out to ``report.csv``.

    A scan that fails is told and left out. One whose label map is there is segmented again only if that was written
    here, was not edited since, and was made of another scan or by another network: ``made_of.json`` knows.

    Args:
        segmenter: gives a scan its label map.
        images: folder of scans, files or DICOM folders.
        output: folder of the label maps, ``<scan>.nii.gz``, and of the table.
        save: writes a label map.
        labels: folder of true label maps, named like the scans; where there is one, its labels replace the network's.
        label_map: what the true labels are called here, see `common.transforms.map_labels`.

    Raises:
        FileNotFoundError: if a folder is not there.
        InputError: if there are no scans, two have one name, the results would mix with the input, or scans failed;
            the others are done all the same.
    """
    output = Path(output)
    scans = _scans(Path(images))
    truths = _scans(Path(labels)) if labels is not None else {}
    for folder in (images, labels):
        if folder is not None and Path(folder).resolve() == output.resolve():
            raise InputError(f"--output is expected to be another folder than that of the input, got {output}.")
    volumes: dict[str, dict[int, float]] = {}
    errors: dict[str, str] = {}
    records = LabelRecords(output)
    for number, (name, path) in enumerate(scans.items(), start=1):
        target = output / f"{name}.nii.gz"
        try:
            inputs = {"image": fingerprint(path), "label": fingerprint(truths.get(name))}
            made_of = {**segmenter.provenance, "inputs": inputs, "label_map": str(label_map)}
            stays, why = records.state(target, made_of)
            logger.info("[%d/%d] %s%s", number, len(scans), name, why)
            if stays:
                label = read_scan(target, label=True)
            else:
                label = _label(segmenter, path, truths.get(name), label_map)
                save(target, label)
                records.add(target, made_of)
            volumes[name] = volumes_ml(label, segmenter.organ_count)
        except Exception as error:  # the others are labeled all the same
            errors[name] = sentence(error)
            logger.error("  failed: %s", errors[name], exc_info=find_mistake(error) is None)
    rows = report_rows(volumes)
    write_table(output / REPORT, [*rows, *({"scan": name, "error": text} for name, text in errors.items())])
    logger.info("%d of %d organs stand out, see %s", sum(bool(r["flag"]) for r in rows), len(rows), output / REPORT)
    if errors:
        raise InputError(f"{len(errors)} of {len(scans)} scans failed: {', '.join(errors)}.")


def _label(segmenter: Segmenter, path: Path, truth: Path | None, label_map: Mapping | None) -> MetaTensor:
    scan = read_scan(path)
    if truth is None:
        return segmenter(scan)
    true = fit_label(read_scan(truth, label=True), scan, truth)  # before the work, not after it
    return merge_true_labels(segmenter(scan), true if label_map is None else map_labels(true, label_map))


def volumes_ml(label: MetaTensor, organ_count: int) -> dict[int, float]:
    """Volume of each organ of a label map ``(1, H, W, D)``, 1 to `organ_count`, in ml; 0 where it is missing."""
    voxel_ml = abs(float(torch.linalg.det(torch.as_tensor(label.affine)[:3, :3].double()))) / 1000
    numbers = label.as_tensor().flatten().long()
    numbers = numbers[(numbers > 0) & (numbers <= organ_count)]  # others can be huge
    counts = torch.bincount(numbers, minlength=organ_count + 1)
    return {organ: int(counts[organ]) * voxel_ml for organ in range(1, organ_count + 1)}


def report_rows(volumes: Mapping[str, Mapping[int, float]]) -> list[dict[str, Any]]:
    """Say of every organ of every scan how large it is and whether that stands out.

    Args:
        volumes: ml by scan and organ; 0 is missing.

    Returns:
        Rows with ``scan organ volume_ml flag error``. The flag is "missing", "outlier" (more than three robust
        deviations, 1.4826 times the median absolute deviation, from the median of the scans that have the organ) or "".
    """
    found: dict[int, list[float]] = {}
    for of_scan in volumes.values():
        for organ, volume in of_scan.items():
            found.setdefault(organ, []).extend([volume] if volume else [])
    rows = []
    for scan, of_scan in volumes.items():
        for organ, volume in of_scan.items():
            flag = _flag(volume, np.array(found[organ]))
            rows.append({"scan": scan, "organ": organ, "volume_ml": round(volume, 3), "flag": flag, "error": ""})
    return rows


def _flag(volume: float, cohort: np.ndarray) -> str:
    if not volume:
        return "missing"
    median = np.median(cohort)
    limit = DEVIATIONS * TO_SIGMA * np.median(np.abs(cohort - median))
    return "outlier" if abs(volume - median) > limit + 1e-9 * median else ""


def _scans(folder: Path) -> dict[str, Path]:
    """What a folder holds by name without ending; hidden files are left out."""
    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}.")
    scans: dict[str, Path] = {}
    for path in sorted(path for path in folder.iterdir() if not path.name.startswith(".")):
        name = path.name if path.is_dir() else Path(path.name.removesuffix(".gz")).stem
        if name in scans:
            raise InputError(f"{folder} holds two scans of one name, {scans[name].name} and {path.name}.")
        scans[name] = path
    if not scans:
        raise InputError(f"{folder} holds no scans.")
    return scans
