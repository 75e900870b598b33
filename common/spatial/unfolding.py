"""Repair the places where a displacement field folds, and nothing else.

MONAI does not look for folds. Only the folded neighborhoods are worked on, as lists of voxels, so that the time does
not depend on the size of the volume but on how much of it is folded.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import torch
from torch import Tensor

from .checks import check_count, check_ddf
from .jacobian import determinant_of_columns, jacobian_determinant
from .precision import full_precision, lift

# A fold that outlives this many rounds gets a neighborhood one voxel wider.
PATIENCE = 2
SWEEPS = 4


@torch.no_grad()
def unfold(ddf: Tensor, minimum: float = 0.05, iterations: int = 60) -> Tensor:
    """Smooth a displacement field where it folds, until it does not fold any more.

    Voxels around a fold move to the mean of their direct neighbors, so that the field becomes harmonic there and
    joins the rest, which keeps its values to the bit. There is no gradient.

    Args:
        ddf: displacement, `(B, d, *spatial)`, voxels.
        minimum: Jacobian determinant (no unit) that repaired places exceed. Places of a smaller but positive
            determinant away from folds are left alone.
        iterations: most rounds of smoothing. A field that is not a deformed identity at all (a reflection) stays
            folded after them; `jacobian_determinant` with `crop=0` tells.

    Returns:
        Displacement, `(B, d, *spatial)`, voxels, with a positive Jacobian determinant (central differences, one-sided
        at the border) everywhere; the same values where nothing folds. Float32 or float64.

    Raises:
        TypeError: if the field is not a tensor of floating point numbers.
        ValueError: if its shape is wrong, `minimum` is negative or `iterations` is not positive.
    """
    check_ddf("unfold", ddf)
    check_count("unfold", "iterations", iterations)
    if minimum < 0:
        raise ValueError(f"unfold() expects 'minimum' of 0 or more, got {minimum}.")
    with full_precision(ddf):
        ddf = lift(ddf)
        folded = jacobian_determinant(ddf, crop=0) <= 0
        if not folded.any():
            return ddf
        items = [_repair(item, where[0], minimum, iterations) for item, where in zip(ddf, folded, strict=True)]
        return torch.stack(items)


def _repair(ddf: Tensor, folded: Tensor, minimum: float, iterations: int) -> Tensor:
    """Repair one field `(d, *spatial)` that folds where `folded`, `(*spatial)`, says."""
    shape = ddf.shape[1:]
    field = ddf.flatten(1).clone()  # (d, N)
    voxels = folded.flatten().nonzero()[:, 0]
    for iteration in range(iterations):
        if len(voxels) == 0:
            break
        area = voxels
        for _ in range(1 + iteration // PATIENCE):
            area = _dilate(area, shape)
        _relax(field, area, shape)
        changed = _dilate(area, shape)
        voxels = changed[_determinant(field, changed, shape) <= minimum]
    return field.view_as(ddf)


def _relax(field: Tensor, area: Tensor, shape: Sequence[int]) -> None:
    """Move the vectors of an area to the mean of their direct neighbors, in place."""
    neighbors = [index for pair in _pairs(area, shape) for index in pair[:2]]
    for _ in range(SWEEPS):
        mean = sum(field[:, index] for index in neighbors) / len(neighbors)
        field[:, area] = (field[:, area] + 2 * mean) / 3


def _determinant(field: Tensor, area: Tensor, shape: Sequence[int]) -> Tensor:
    columns = []
    for axis, (before, after, distance) in enumerate(_pairs(area, shape)):
        column = (field[:, after] - field[:, before]) / distance  # (d, len(area))
        column[axis] += 1
        columns.append(column)
    return determinant_of_columns(columns)


def _dilate(area: Tensor, shape: Sequence[int]) -> Tensor:
    """Add all voxels that touch an area, corners included."""
    mask = torch.zeros(torch.Size(shape).numel(), dtype=torch.bool, device=area.device)
    places = torch.unravel_index(area, torch.Size(shape))
    for offsets in product((-1, 0, 1), repeat=len(shape)):
        mask[_index([(p + o).clamp(0, n - 1) for p, o, n in zip(places, offsets, shape, strict=True)], shape)] = True
    return mask.nonzero()[:, 0]


def _pairs(area: Tensor, shape: Sequence[int]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield for each axis the neighbors before and after an area's voxels, and how far apart they are."""
    places = list(torch.unravel_index(area, torch.Size(shape)))
    for axis, size in enumerate(shape):
        before, after = (places[axis] - 1).clamp(min=0), (places[axis] + 1).clamp(max=size - 1)
        pair = [_index([*places[:axis], place, *places[axis + 1 :]], shape) for place in (before, after)]
        yield pair[0], pair[1], after - before


def _index(places: Sequence[Tensor], shape: Sequence[int]) -> Tensor:
    index = places[0]
    for place, size in zip(places[1:], shape[1:], strict=True):
        index = index * size + place
    return index
