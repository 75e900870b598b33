"""The linear start of a pair, as a transform of MONAI."""

import json
import logging
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from common.io import InputError, grid_of
from common.prealignment import KINDS, Start, initial_transform
from common.spatial import Grid, ras_to_lps

from .case_grid import CaseGrid
from .content import content_of

logger = logging.getLogger("common")

MINIMUM_OVERLAP = 0.05  # share of the fixed field of view the moving scan must cover


class InitialTransformd(MapTransform):
    """Find the linear pre-alignment of a pair; see `common.prealignment.initial_transform`.

    Args:
        keys: the fixed and the moving scan, in this order.
        transform: "none", "center", "moments", "rigid", "affine" or the path of an ITK transform file; or "region":
            each scan lies on its grid as a single case does in training, the two grids on one another. Where no such
            region is found in one of them, it is "affine".
        grid: of a single scan, for "region"; one with a size.

    Raises:
        InputError: if there is no such grid for "region".
        FileNotFoundError: if the transform is none of the words, and no file.

    Adds ``initial_transform``: fixed to moving world points, LPS mm, ``(d + 1, d + 1)``, float64, and ``start``: the
    record of `common.prealignment.Start` as JSON, for what loads data knows no nested records of different shape. Its
    warnings are logged.
    """

    def __init__(self, keys: KeysCollection, transform: str = "affine", grid: CaseGrid | None = None) -> None:
        super().__init__(keys)
        by_region = grid is not None and grid.spatial_size is not None
        if transform == "region" and not by_region:
            raise InputError("initial_transform region needs a grid with a spatial_size: choose affine or another one.")
        kinds = (*KINDS, *["region"] * by_region)
        if transform not in kinds and not Path(transform).is_file():
            raise FileNotFoundError(
                f"initial_transform expects one of {', '.join(kinds)} or an ITK file, got {transform}."
            )
        self.transform = transform
        self.grid = grid

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Estimate or read the transform.

        Raises:
            InputError: if the scans do not overlap in space as the headers ("none") or the file have it.
        """
        given = self.transform not in (*KINDS, "region") or self.transform == "none"
        fixed, moving = (data[key] for key in self.keys)
        start = self._given(fixed, moving) if given else self._estimate(data)
        if given and overlap(grid_of(fixed), grid_of(moving), start.matrix) < MINIMUM_OVERLAP:
            raise InputError(
                "The scans do not overlap in space as their headers and initial_transform have it: "
                "choose initial_transform affine, center or moments to bring them together."
            )
        for warning in start.record.get("warnings", []):
            logger.warning("%s%s", f"{data['pair']}: " if data.get("pair") else "", warning)
        return {**data, "initial_transform": start.matrix, "start": json.dumps(start.record)}

    def _given(self, fixed: MetaTensor, moving: MetaTensor) -> Start:
        """What is taken as it is: nothing has to be looked for in the scans."""
        scans = [(scan.as_tensor()[None], grid_of(scan).affine) for scan in (fixed, moving)]
        return initial_transform(*scans[0], *scans[1], self.transform)

    def _estimate(self, data: Mapping[Any, Any]) -> Start:
        fixed, moving = (content_of(data[key], data.get(str(key).replace("image", "mask"))) for key in self.keys)
        kind = self.transform
        if kind == "region" and self.grid is not None and not all(map(self.grid.finds, (fixed, moving))):
            logger.warning("No %s was found in one of the scans: they are aligned whole.", self.grid.region)
            kind = "affine"
        if kind == "region":
            first, second = (ras_to_lps(cast(CaseGrid, self.grid).over(side).affine) for side in (fixed, moving))
            return Start(second @ torch.linalg.inv(first), {"taken": "region"})
        return initial_transform(
            fixed.image,
            fixed.grid.affine,
            moving.image,
            moving.grid.affine,
            kind,
            fixed.mask,
            moving.mask,
        )


def overlap(fixed: Grid, moving: Grid, matrix: torch.Tensor) -> float:
    """Share of a fixed field of view that a moving one covers.

    Args:
        fixed: grid, affine RAS.
        moving: grid, affine RAS.
        matrix: fixed to moving world points, LPS mm.
    """
    steps = [torch.linspace(0, size - 1, min(size, 16)).double() for size in fixed.shape]
    points = torch.cartesian_prod(*steps)
    to_moving = torch.linalg.solve(ras_to_lps(moving.affine), matrix @ ras_to_lps(fixed.affine))
    index = points @ to_moving[:-1, :-1].T + to_moving[:-1, -1]
    inside = (index >= -0.5) & (index <= torch.tensor(moving.shape) - 0.5)
    return float(inside.all(dim=1).double().mean())
