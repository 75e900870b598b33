"""Pairs of lung scans with landmarks, as the owners of the data sets share them: where each finds its files.

Learn2Reg's JSON can be registered as it is, but for its key points: see `common.data.read_pairs`.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from common.io import InputError, read_scan, save_scan, write_nifti

from .lung_sets import COPDGENE, CREATIS, DIRLAB, POPI, Published
from .source_files import find_file, find_files, raw_affine, read_numbers, read_raw, voxels_to_lps

PHASE = re.compile(r"(?<!\d)(\d0)(?!\d)")  # in a file's name: 00 to 90 percent of a breath
LEARN2REG_IMAGE = r"LungCT_\d+_0000\.nii\.gz"


class Side(NamedTuple):
    """One scan of a pair.

    Attributes:
        name: of its files.
        save: writes the scan as NIfTI.
        affine: voxel to world, RAS mm, ``(4, 4)``.
        shape: voxels.
        points: landmarks, LPS mm, ``(N, 3)``.
    """

    name: str
    save: Callable[[Path], None]
    affine: NDArray
    shape: tuple[int, ...]
    points: NDArray


class LungPair(NamedTuple):
    """One pair of a data set.

    Attributes:
        name: of the pair.
        find: gives the fixed and the moving scan; raises FileNotFoundError where a file is missing, ValueError where
            one cannot be used.
        published: what is known of it.
    """

    name: str
    find: Callable[[], list[Side]]
    published: Published | None


def dirlab_pairs(source: Path) -> Iterator[LungPair]:
    """DIR-Lab 4DCT: the end of inhaling (T00) and of exhaling (T50)."""
    for case, published in DIRLAB.items():
        names = {
            f"case{case}_T{p}": (f"case{case}_T{p}.*\\.img", f"case{case}_.*300_T{p}_xyz\\.txt") for p in ("00", "50")
        }
        yield LungPair(f"case{case}", partial(_raw_sides, source, names, published), published)


def copdgene_pairs(source: Path) -> Iterator[LungPair]:
    """DIR-Lab COPDgene: breath held inhaled and exhaled."""
    for case, published in COPDGENE.items():
        each = f"copd{case}"
        names = {f"{each}_{p}BH": (f"{each}_{p}BHCT\\.img", f"{each}_300_{p}BH_xyz.*\\.txt") for p in ("i", "e")}
        yield LungPair(each, partial(_raw_sides, source, names, published), published)


def popi_pairs(source: Path) -> Iterator[LungPair]:
    """POPI model: the two phases whose landmarks are farthest apart, the earlier one fixed."""
    yield LungPair("popi", partial(_farthest_phases, source, "popi"), POPI[1])


def creatis_pairs(source: Path) -> Iterator[LungPair]:
    """CREATIS: patients in folders of their own, see `popi_pairs`."""
    folders = sorted({path.relative_to(source).parts[0] for path in find_files(source, r".*\.mhd")}, key=_by_number)
    for patient, published in CREATIS.items():
        name = f"creatis{patient}"
        if patient <= len(folders):
            yield LungPair(name, partial(_farthest_phases, source / folders[patient - 1], name), published)
        else:
            yield LungPair(name, partial(_absent, f"there are {len(folders)} folders with .mhd in {source}"), published)


def learn2reg_lung_pairs(source: Path) -> Iterator[LungPair]:
    """Learn2Reg LungCT: exhaled (0000, fixed) and inhaled (0001), key points in voxels from 0."""
    images = find_files(source, LEARN2REG_IMAGE)
    if not images:
        raise FileNotFoundError(f"Nothing can be prepared: there is no LungCT_*_0000.nii.gz below {source}.")
    for image in images:
        name = image.name.removesuffix("_0000.nii.gz")
        yield LungPair(name, partial(_learn2reg_sides, image.parent.parent, image.parent.name, name), None)


def _raw_sides(source: Path, names: dict[str, tuple[str, str]], published: Published) -> list[Side]:
    shape, affine = published.shape or (), raw_affine(published.spacing or ())
    sides = []
    for name, (image, points) in names.items():
        path = find_file(source, image)
        voxels = read_numbers(find_file(source, points)) - 1  # theirs count from 1
        sides.append(Side(name, partial(_save_raw, path, shape, affine), affine, shape, voxels_to_lps(voxels, affine)))
    return sides


def _save_raw(path: Path, shape: tuple[int, ...], affine: NDArray, target: Path) -> None:
    write_nifti(target, read_raw(path, shape), affine)


def _farthest_phases(folder: Path, name: str) -> list[Side]:
    images, points = (_by_phase(find_files(folder, pattern)) for pattern in (r".*\.mhd", r".*\.(pts|txt)"))
    phases = sorted(images.keys() & points.keys())
    if len(phases) < 2:
        raise FileNotFoundError(f"there are no two phases with an .mhd and landmarks (.pts or .txt) in {folder}")
    landmarks = {phase: read_numbers(points[phase]) for phase in phases}
    if len({len(each) for each in landmarks.values()}) > 1:
        counts = ", ".join(f"{phase}: {len(each)}" for phase, each in landmarks.items())
        raise InputError(f"the phases in {folder} are expected to have as many landmarks each, got {counts}")
    pairs = [(a, b) for a in phases for b in phases if a < b]
    farthest = max(pairs, key=lambda pair: np.linalg.norm(landmarks[pair[0]] - landmarks[pair[1]], axis=1).mean())
    return [_placed_side(images[phase], f"{name}_{phase}", landmarks[phase], in_voxels=False) for phase in farthest]


def _by_phase(paths: list[Path]) -> dict[str, Path]:
    return {found[-1]: path for path in paths if (found := PHASE.findall(path.stem))}


def _learn2reg_sides(folder: Path, images: str, name: str) -> list[Side]:
    keypoints = folder / images.replace("images", "keypoints")  # imagesTr -> keypointsTr
    sides = []
    for side in ("0000", "0001"):
        image = find_file(folder / images, re.escape(f"{name}_{side}.nii.gz"))
        points = find_file(keypoints, re.escape(f"{name}_{side}.csv"))
        sides.append(_placed_side(image, f"{name}_{side}", read_numbers(points), in_voxels=True))
    return sides


def _placed_side(path: Path, name: str, points: NDArray, in_voxels: bool) -> Side:
    scan = read_scan(path)
    affine = scan.affine.numpy()
    positions = voxels_to_lps(points, affine) if in_voxels else points
    return Side(name, partial(save_scan, image=scan), affine, tuple(scan.shape[1:]), positions)


def _absent(sentence: str) -> list[Side]:
    raise FileNotFoundError(sentence)


def _by_number(name: str) -> tuple[int, str]:
    """Patient10 comes after Patient2."""
    return int("".join(re.findall(r"\d+", name)) or 0), name
