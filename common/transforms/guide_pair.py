"""What steers a registration besides the scans, on the grid it works on: labels, probabilities of organs, key points.

MONAI has no registration that is steered.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from torch import Tensor

from common.io import InputError, grid_of
from common.optimization import Guidance, GuidingPoints
from common.spatial import Grid, ras_to_lps, resample, world_to_voxel

GUIDES = ("labels", "keypoints")
SIDES = ("fixed", "moving")
GUIDANCE = ("fixed_features", "moving_features", "fixed_points", "moving_points")
WEIGHT = 30.0  # of a label in the distance of features, where MIND-SSC has 5
RARITY = 0.3  # power of the size of a label by which it counts less
Segment = Callable[[MetaTensor], MetaTensor]


class GuidePaird(Transform):
    r"""Bring what steers a registration onto the working grid.

    Labels and organs become maps of their shares of each voxel. Their weights are :math:`w n_l^{-0.3}`, with n the
    voxels of both scans, scaled so that the mean of the powers is 1: small ones would not be felt beside large ones.

    Args:
        guide: out of "labels", those that both label maps have, and "keypoints", which correspond by their order.
        segment: gives a scan, ``(1, *spatial)``, the probabilities of its organs, ``(L, *grid)``, on any grid.
        weight: w, of labels and organs beside the features of the scans.

    Adds ``fixed_features`` and ``moving_features``, ``(L, *working)``, and ``fixed_points`` and ``moving_points``,
    ``(N, d)``, working voxels, as far as there are some; and ``guided_by``, the names of the guides, as one text.

    Raises:
        InputError: if there is no such guide.

    Reference:
        Siebert, Hansen, Heinrich, "Fast 3D registration with accurate optimisation and little learning for Learn2Reg
        2021", https://doi.org/10.1007/978-3-030-97281-3_25 -- released code: labels as features, weights by size.
    """

    def __init__(self, guide: Sequence[str] = (), segment: Segment | None = None, weight: float = WEIGHT) -> None:
        if unknown := [each for each in guide if each not in GUIDES]:
            raise InputError(f"--guide is expected to be one or both of {', '.join(GUIDES)}, got {unknown[0]}.")
        self.guide = tuple(guide)
        self.segment = segment
        self.weight = weight

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Collect and resample.

        Raises:
            InputError: if a pair lacks what shall guide it, its label maps have no label in common, or none of its
                points lies on the working grid.
        """
        grid = grid_of(data["image"])
        matrix = torch.as_tensor(data["initial_transform"], dtype=torch.float64)
        grids = [grid, Grid(grid.shape, ras_to_lps(matrix @ ras_to_lps(grid.affine)))]  # as the moving scan has it
        done = {**data, "guided_by": ",".join(self.guide)}
        maps: list[list[Tensor]] = [[], []]
        if "labels" in self.guide:
            labels = self._given(data, "label", "labels")
            common = _common_labels(*labels)
            for side, label in enumerate(labels):
                maps[side] += [_on_grid((label.as_tensor() == each).float(), label, grids[side]) for each in common]
        if self.segment is not None:
            for side, name in enumerate(SIDES):
                organs = self.segment(data[f"{name}_image"])
                maps[side] += [_on_grid(organ[None], organs, grids[side]) for organ in organs.as_tensor()]
        if maps[0]:
            fixed, moving = map(torch.cat, maps)
            done |= dict(zip(GUIDANCE[:2], _weighted(fixed, moving, self.weight), strict=True))
        if "keypoints" in self.guide:
            points = self._given(data, "keypoints", "keypoints")
            done |= dict(zip(GUIDANCE[2:], _known_points(points, grids), strict=True))
        return done

    def _given(self, data: Mapping[Any, Any], kind: str, text: str) -> list[Any]:
        if missing := [f"{side}_{kind}" for side in SIDES if f"{side}_{kind}" not in data]:
            absent = " and no ".join(missing)
            raise InputError(f"--guide {text} needs those of both scans, and the pair names no {absent}.")
        return [data[f"{side}_{kind}"] for side in SIDES]


def guidance_of(data: Mapping[Any, Any], device: str | torch.device) -> Guidance:
    """What steers a pair, for a network that registers it as a batch of one.

    Args:
        data: see `GuidePaird`; without what that adds nothing steers.
        device: where to compute.
    """
    given = {key: torch.as_tensor(data[key]).as_subclass(Tensor).to(device) for key in GUIDANCE if key in data}
    fixed, moving = (given[key][None] if key in given else None for key in GUIDANCE[:2])
    points = GuidingPoints(*(given[key] for key in GUIDANCE[2:])) if GUIDANCE[2] in given else None
    return Guidance(fixed, moving, points)


def _common_labels(fixed: MetaTensor, moving: MetaTensor) -> list[int]:
    of_fixed, of_moving = (set(label.unique().tolist()) - {0} for label in (fixed, moving))
    if not of_fixed & of_moving:
        told = [", ".join(str(each) for each in sorted(labels)) or "none" for labels in (of_fixed, of_moving)]
        raise InputError(f"--guide labels needs one that both scans have, got fixed {told[0]} and moving {told[1]}.")
    return sorted(of_fixed & of_moving)


def _on_grid(share: Tensor, scan: MetaTensor, grid: Grid) -> Tensor:
    """A map ``(1, *spatial)`` on the grid of a scan, brought onto another; 0 outside."""
    return resample(share[None], grid_of(scan).affine, grid, 0.0)[0]


def _weighted(fixed: Tensor, moving: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    powers = (fixed + moving).flatten(1).sum(1).clamp_min(1) ** -RARITY
    weights = weight * (powers / powers.mean()).view(-1, *[1] * (fixed.ndim - 1))
    return fixed * weights, moving * weights


def _known_points(points: Sequence[Tensor], grids: Sequence[Grid]) -> tuple[Tensor, Tensor]:
    """Those that both scans have and that lie on the working grid, in its voxels."""
    fixed, moving = (
        world_to_voxel(torch.as_tensor(each).double(), ras_to_lps(grid.affine)).float()
        for each, grid in zip(points, grids, strict=True)
    )
    last = torch.tensor(grids[0].shape) - 0.5
    known = moving.isfinite().all(1) & ((fixed >= -0.5) & (fixed <= last)).all(1)
    if not bool(known.any()):
        raise InputError(
            f"--guide keypoints needs points on the fixed scan with partners, got {len(known)} undefined or beside it."
        )
    return fixed[known], moving[known]
