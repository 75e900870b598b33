"""Where the search for the inverse of a field begins."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .grid import identity_grid
from .sampling import sample
from .smooth import mean_filter

# Comparisons of points with cells: bounds the time for fields that are no maps.
MAXIMUM_COMPARED = 2**32
TOGETHER = 64  # points


def displacement_back(arrivals: Tensor) -> Tensor:
    """A first inverse: where the voxel comes from that arrives nearest, minus itself; holes are filled around them."""
    shape = arrivals.shape[1:]
    cells = arrivals.flatten(1).round().long()
    inside = torch.ones_like(cells[0], dtype=torch.bool)
    number = torch.zeros_like(cells[0])
    for cell, n in zip(cells, shape, strict=True):
        inside &= (cell >= 0) & (cell < n)
        number = number * n + cell
    source = torch.full_like(number, len(number))
    first = inside.nonzero()[:, 0]
    source.scatter_reduce_(0, number[first], first, "amin")  # the first of several, whatever the order of threads
    known = (source < len(number)).view(1, 1, *shape).to(arrivals)
    origin = identity_grid(shape, arrivals.dtype, arrivals.device).flatten(1) - arrivals.flatten(1)
    back = origin[:, source.clamp(max=len(number) - 1)].view(1, -1, *shape) * known
    while known.any() and not known.all():
        share = mean_filter(known)
        back = torch.where(known > 0, back, mean_filter(back) / share.clamp(min=1e-6))
        known = (share > 1e-6).to(known)
    return back[0]


def starts_of_stuck(ddf: Tensor, change: Callable[[Tensor], Tensor], points: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Give the centers of the cells, of the grid and around it, that may reach each point; of very many not the last.

    Args:
        ddf: displacement, `(1, d, *spatial)`, voxels.
        change: of coordinates, of arrivals to those of the points.
        points: `(d, N)`.

    Yields:
        For some of the points at a time: numbers of the points, `(M,)`, and centers, `(d, M)`, voxels.
    """
    if not points.shape[1]:
        return
    places, arrivals = _around(ddf)
    arrivals = change(arrivals)
    low, high = -_maximum_of_corners(-arrivals), _maximum_of_corners(arrivals)
    centers = (_maximum_of_corners(places) - _maximum_of_corners(-places)) / 2
    maximum = MAXIMUM_COMPARED // (low[0].numel() + 2**22)
    for group in torch.arange(points.shape[1], device=points.device)[:maximum].split(TOGETHER):
        numbers, starts = [], []
        for number in group.tolist():
            y = points[:, number].view(-1, *[1] * len(points))
            starts.append(centers[:, ((low <= y) & (y <= high)).all(dim=0)])
            numbers += [number] * starts[-1].shape[1]
        if numbers:
            yield torch.tensor(numbers, device=points.device), torch.cat(starts, dim=1)


def _around(ddf: Tensor) -> tuple[Tensor, Tensor]:
    """The grid with one voxel more on every side, far out: where its voxels lie and arrive, `(d, *(spatial + 2))`."""
    shape = ddf.shape[2:]
    far = float(sum(shape))
    axes = [torch.cat([torch.tensor([-far]), torch.arange(float(n)), torch.tensor([n - 1 + far])]) for n in shape]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij")).to(ddf)
    return places, places + F.pad(ddf, [1, 1] * len(shape), mode="replicate")[0]


def _maximum_of_corners(arrivals: Tensor) -> Tensor:
    """Greatest value of the corners of each cell."""
    for axis, n in enumerate(arrivals.shape[1:], start=1):
        arrivals = torch.maximum(arrivals.narrow(axis, 0, n - 1), arrivals.narrow(axis, 1, n - 1))
    return arrivals


def inverse_jacobian(ddf: Tensor, x: Tensor) -> Tensor:
    """Inverse Jacobian of `x + u(x)` over one voxel around each point `(d, N)`, `(d, d, N)`; the unit where none is."""
    unit = torch.eye(len(x), dtype=x.dtype, device=x.device)
    around = [sample(ddf, (x + sign * unit[:, c, None] / 2)[None])[0] for c in range(len(x)) for sign in (1, -1)]
    jacobian = torch.stack([a - b for a, b in zip(around[::2], around[1::2], strict=True)], dim=-1)  # (d, N, d)
    inverse, failed = torch.linalg.inv_ex(jacobian.transpose(0, 1) + unit)
    found = ((failed == 0) & inverse.isfinite().all(dim=-1).all(dim=-1))[:, None, None]
    return torch.where(found, inverse, unit).permute(1, 2, 0)
