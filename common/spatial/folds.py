"""Which places a folding map reaches from several others.

A folded part of the grid lies upside down between two that do not, so what it reaches is reached three times. Each
cell of the grid is cut into simplices, within which the map is taken as linear: what they cover is then exact.
"""

from itertools import permutations

import torch
from torch import Tensor

from .jacobian import determinant_of_columns

# Simplices, and pairs of a simplex and a place, worked on at a time.
PORTION = 2**18
# A field that is folded to pieces: more cells around folded simplices than this times the voxels.
TOO_MANY = 50


def reached_by_folds(arrivals: Tensor, places: Tensor) -> Tensor:
    """Tell which places are reached from where a map folds.

    Args:
        arrivals: where the map brings each voxel, `(d, *spatial)`, voxels; not mirrored as a whole.
        places: `(d, N)`, in the same coordinates.

    Returns:
        `(N,)`, bool. True everywhere for a map that is folded to pieces.
    """
    reached = torch.zeros_like(places[0], dtype=torch.bool)
    folded = _folded_simplices(arrivals)  # (d, d + 1, F)
    if not folded.shape[-1] or not len(reached):
        return reached
    low, high = folded.amin(dim=1).floor().long(), folded.amax(dim=1).floor().long()  # (d, F), cells
    first, last = low.amin(dim=1, keepdim=True), high.amax(dim=1, keepdim=True)
    near = ((places >= first) & (places < last + 1)).all(dim=0).nonzero()[:, 0]
    counts = (high - low + 1).prod(dim=0)
    if not len(near):
        return reached
    if int(counts.sum()) > TOO_MANY * arrivals[0].numel():
        return ~reached
    places, by_cell = places[:, near], _Cells(places[:, near].floor().long())
    for portion in _portions(counts):
        simplex, cell = _cells_between(low[:, portion], high[:, portion])
        pair, place = by_cell.find(cell)
        for part in torch.arange(len(pair), device=pair.device).split(PORTION):
            corners = folded[..., portion[simplex[pair[part]]]]
            reached[near[place[part][_contains(corners, places[:, place[part]])]]] = True
    return reached


def _folded_simplices(arrivals: Tensor) -> Tensor:
    """Corners of the simplices that a map turns upside down or flattens, `(d, d + 1, F)`."""
    dims = len(arrivals)
    slabs = arrivals.split(max(1, PORTION // max(1, arrivals[0, 0].numel())), dim=1)
    found = [torch.empty(dims, dims + 1, 0, dtype=arrivals.dtype, device=arrivals.device)]
    for k, slab in enumerate(slabs):
        if k + 1 < len(slabs):
            slab = torch.cat([slab, slabs[k + 1][:, :1]], dim=1)
        if min(slab.shape[1:]) < 2:
            continue
        for order in permutations(range(dims)):
            corners = _simplices(slab, order)
            columns = [corners[:, 1 + order.index(axis)] - corners[:, order.index(axis)] for axis in range(dims)]
            found.append(corners[..., determinant_of_columns(columns) <= 0])
    return torch.cat(found, dim=-1)


def _simplices(arrivals: Tensor, order: tuple[int, ...]) -> Tensor:
    """One simplex of every cell: its corners are passed by going along the axes in an order, `(d, d + 1, cells)`."""
    offset = [0] * len(order)
    corners = []
    for axis in (None, *order):
        if axis is not None:
            offset[axis] = 1
        index = tuple(slice(o, n - 1 + o) for o, n in zip(offset, arrivals.shape[1:], strict=True))
        corners.append(arrivals[(slice(None), *index)].flatten(1))
    return torch.stack(corners, dim=1)


def _contains(corners: Tensor, places: Tensor) -> Tensor:
    """Whether each simplex `(d, d + 1, P)` contains its place `(d, P)`."""
    edges = (corners[:, 1:] - corners[:, :-1]).permute(2, 0, 1)
    share, _ = torch.linalg.solve_ex(edges, (places - corners[:, 0]).T[..., None])
    steps = torch.cat([torch.ones_like(share[:, :1]), share, torch.zeros_like(share[:, :1])], dim=1)[..., 0]
    return (steps.diff(dim=1) <= 1e-4).all(dim=1)  # 1 >= first >= second >= ... >= 0


def _portions(counts: Tensor) -> list[Tensor]:
    """Indices in portions of about `PORTION` counts each."""
    turn = (counts.cumsum(dim=0) - 1) // PORTION
    return list(
        torch.arange(len(counts), device=counts.device).split(turn.unique_consecutive(return_counts=True)[1].tolist())
    )


def _cells_between(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """All unit cells of boxes `(d, F)`: the number of the box, `(M,)`, and the cell, `(d, M)`."""
    sizes = high - low + 1
    counts = sizes.prod(dim=0)
    box = torch.repeat_interleave(counts)
    rest = torch.arange(len(box), device=box.device) - (counts.cumsum(dim=0) - counts)[box]
    steps = []
    for size in sizes:
        steps.append(rest % size[box])
        rest = rest // size[box]
    return box, low[:, box] + torch.stack(steps)


class _Cells:
    """Finds the places in a unit cell."""

    def __init__(self, cells: Tensor) -> None:
        self.low, high = cells.amin(dim=1), cells.amax(dim=1)
        self.sizes = high - self.low + 1
        self.numbers, self.order = self._number(cells)[0].sort(stable=True)

    def find(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Pairs of a cell `(d, M)`, by its position, and a place in it."""
        numbers, inside = self._number(cells)
        start = torch.searchsorted(self.numbers, numbers)
        counts = torch.where(inside, torch.searchsorted(self.numbers, numbers, right=True) - start, 0)
        pair = torch.repeat_interleave(counts)
        step = torch.arange(len(pair), device=pair.device) - (counts.cumsum(dim=0) - counts)[pair]
        return pair, self.order[start[pair] + step]

    def _number(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        number, inside = torch.zeros_like(cells[0]), torch.ones_like(cells[0], dtype=torch.bool)
        for cell, low, size in zip(cells, self.low, self.sizes, strict=True):
            inside &= (cell >= low) & (cell < low + size)
            number = number * size + (cell - low)
        return number, inside
