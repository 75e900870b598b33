"""Displacement of points by loopy belief propagation: each point decides, its neighbors have a say.

MONAI and SciPy have no inference on graphs.
"""

import torch
from torch import Tensor

from common.spatial import nearest_points
from common.spatial.precision import full_precision, lift

COSTS = 2**19  # pairs of candidates at once, 2 MB: they stay in the cache


def displacement_graph(points: Tensor, neighbors: int) -> tuple[Tensor, Tensor]:
    """Join each point with its nearest ones, in both directions.

    Args:
        points: `(N, d)`.
        neighbors: of each point, without itself; more where it is among those of another.

    Returns:
        Edges `(E, 2)`, from and to, sorted, and the number of the opposite of each `(E,)`; int64.
    """
    count = len(points)
    nearest = nearest_points(points, points, min(neighbors + 1, count))[:, 1:]
    starts = torch.arange(count, device=points.device)[:, None].expand_as(nearest).flatten()
    ends = nearest.flatten()
    codes = torch.cat([starts * count + ends, ends * count + starts]).unique()  # sorted
    starts, ends = codes // count, codes % count
    return torch.stack([starts, ends], 1), torch.searchsorted(codes, ends * count + starts)


def belief_propagation(
    cost: Tensor,
    displacements: Tensor,
    edges: Tensor,
    reverse: Tensor,
    smoothness: float = 10.0,
    iterations: int = 5,
) -> Tensor:
    r"""Add to the cost of each candidate what the neighbors of its point think of it.

    .. math:: m_{ij}(d) = \min_e \; C_i(e) + \sum_{k \neq j} m_{ki}(e) + \alpha |e - d|^2, \quad
              B_i(d) = C_i(d) + \sum_k m_{ki}(d)

    From each message its least entry is taken away, which changes no choice: the released code lets them grow with
    every iteration until float32 resolves a belief of 5000 to 0.0005 only, in float64 both are the same.

    The messages m begin as zeros. As in the released code the last iteration only adds them up, so `iterations` are
    one update more than take place. A minimum passes its gradient to where it lies, and the candidates have none.

    Args:
        cost: C, `(N, K)`.
        displacements: d, of the candidates of each point, `(N, K, 3)`.
        edges: `(E, 2)`, see `displacement_graph`.
        reverse: number of the opposite edge, `(E,)`.
        smoothness: alpha, cost over the square of the unit of the displacements.
        iterations: 1 or more; 1 leaves the costs as they are.

    Returns:
        B, `(N, K)`.

    Reference:
        Hansen, Heinrich, "Deep learning based geometric registration for medical images: how accurate can we get
        without visual features?", IPMI 2021, https://doi.org/10.1007/978-3-030-78191-0_2 -- section 2.2.
    """
    if cost.ndim != 2 or displacements.shape[:2] != cost.shape:
        raise ValueError(
            f"belief_propagation() expects 'displacements' of shape (N, K, d) for 'cost' of shape (N, K), "
            f"got {tuple(displacements.shape)} and {tuple(cost.shape)}."
        )
    if iterations < 1:
        raise ValueError(f"belief_propagation() expects 'iterations' of 1 or more, got {iterations}.")
    starts, ends = edges.T
    with full_precision(cost):
        belief = cost = lift(cost)
        edge = _Edges(displacements.detach().to(cost), starts, ends, smoothness)
        messages: Tensor | None = None
        for _ in range(iterations - 1):
            told = belief.index_select(0, starts)
            if messages is not None:
                told = told - messages.index_select(0, reverse)
            messages = edge.pass_on(told)
            messages = messages - messages.detach().amin(1, keepdim=True)
            belief = cost.index_add(0, ends, messages)
    return belief


def expected_displacement(belief: Tensor, displacements: Tensor, sharpness: float = 50.0) -> Tensor:
    r"""Average the candidates by how well they are believed, :math:`\sum_d d \, \mathrm{softmax}(-\delta B)`.

    Args:
        belief: B, `(N, K)`, lower is better.
        displacements: d, `(N, K, 3)`.
        sharpness: delta.

    Returns:
        `(N, 3)`.
    """
    weights = torch.softmax(-sharpness * belief, dim=1)
    return torch.einsum("nk,nkd->nd", weights, displacements.to(weights))


class _Edges:
    """The candidates at either end of every edge, so laid out that a product has what they cost together.

    Args:
        own: displacements, `(N, K, d)`.
        starts, ends: of the edges, `(E,)`.
        smoothness: alpha.
    """

    def __init__(self, own: Tensor, starts: Tensor, ends: Tensor, smoothness: float) -> None:
        squares = smoothness * own.square().sum(2)
        self.own, self.starts, self.ends, self.smoothness = own, starts, ends, smoothness
        self.sent, self.received = squares[starts], squares[ends]  # (E, K)
        self.giving = torch.cat([own, squares[..., None]], 2)[starts]  # (E, K, d + 1); the last is set anew
        self.receiving = torch.cat([-2 * smoothness * own, torch.ones_like(own[..., :1])], 2)[ends]

    def pass_on(self, told: Tensor) -> Tensor:
        """Messages along the edges, `(E, K)`."""
        torch.add(told.detach(), self.sent, out=self.giving[..., -1])
        rows = max(COSTS // told.shape[1] ** 2, 1)
        parts = zip(self.receiving.split(rows), self.giving.split(rows), strict=True)
        sums = (received @ given.mT for received, given in parts)  # (edges, candidates of the end, of the start)
        if not told.requires_grad:
            return torch.cat([part.amin(2) for part in sums]) + self.received
        best = torch.cat([_argmin(part) for part in sums])
        places = best + told.shape[1] * self.starts[:, None]
        steps = self.own.flatten(0, 1).index_select(0, places.flatten()).view_as(self.giving[..., :-1])
        return told.gather(1, best) + self.smoothness * (steps - self.own[self.ends]).square().sum(2)


def _argmin(sums: Tensor) -> Tensor:
    """Where the minimum along the last axis lies; on a CPU, NumPy finds it ten times as fast as PyTorch."""
    return sums.argmin(-1) if sums.device.type != "cpu" else torch.from_numpy(sums.numpy().argmin(-1))
