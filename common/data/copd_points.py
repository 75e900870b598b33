"""Key points and landmarks of the DIR-Lab COPDgene pairs, as the authors of paper 003's model share them.

They come as tensors of normalized coordinates, the last axis of their volumes first; here they become points in LPS
mm, as any others.
"""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from common.io import InputError, format_points, save_text

# Of the volumes of the exhaled scans, 192 x 192 x 208 voxels of 1.75 x 1 x 1.25 mm, along the patient's x, y and z.
HALF_EXTENTS_MM = (168.0, 96.0, 130.0)
FILES = ("keypoints.pth", "landmarks.pth")


def write_copd_points(source: Path, output: Path) -> list[dict[str, str]]:
    """Write the clouds and the landmarks of the pairs, exhaled (fixed) and inhaled (moving).

    The pairs are aligned by an affine map of the lungs already; places are from the middle of the volume. Which axis is
    which the points themselves tell: the third coordinate has the gap between two lungs, the heart on its positive side
    (left), the first one the narrow tips at its positive end (superior), the second one the spine (posterior); and the
    landmarks in voxels, which lie beside, say that the first one counts 208 voxels.

    Args:
        source: folder with ``keypoints.pth`` and ``landmarks.pth``.
        output: folder to write.

    Returns:
        The pairs, with names of files relative to ``output``.

    Raises:
        FileNotFoundError: if a file is missing.
        InputError: if one holds anything else.
    """
    rows = []
    for number, clouds in enumerate(_clouds(source), start=1):
        row = {"pair": f"copd{number:02d}"}
        for key, points in clouds.items():
            row[key] = f"points/{row['pair']}_{key}.csv"
            scaled = points.double().flip(1) * torch.tensor(HALF_EXTENTS_MM, dtype=torch.float64)
            save_text(output / row[key], format_points(row[key], scaled))
        rows.append(row)
    return rows


def _clouds(source: Path) -> Iterator[dict[str, torch.Tensor]]:
    points, landmarks = (_read(source / name) for name in FILES)
    try:
        tensors = {
            "fixed_cloud": points["copd"]["kpts_fix"],
            "moving_cloud": points["copd"]["kpts_mov"],
            "fixed_keypoints": landmarks["lm_copd_exh"],
            "moving_keypoints": landmarks["lm_copd_insp"],
        }
    except (KeyError, TypeError) as error:
        raise InputError(f"{source} is expected to hold {' and '.join(FILES)} as shared, got others.") from error
    for each in zip(*tensors.values(), strict=True):
        yield dict(zip(tensors, each, strict=True))


def _read(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}: give the folder of {' and '.join(FILES)} as --source.")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise InputError(f"{path} cannot be read as tensors of PyTorch.") from error
