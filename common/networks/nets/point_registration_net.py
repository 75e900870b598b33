"""Registration of two clouds of points: a graph network describes them, belief propagation finds the way.

MONAI has no network for points. TorchScript gets none of this one either: neither its script knows the loops over
chunks of a graph, nor can a trace know their number, which depends on the points.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from common.networks.blocks.edge_convolution import EdgeConvolution, normalize_rows
from common.optimization import belief_propagation, displacement_graph, expected_displacement
from common.spatial import nearest_points

WIDTHS = (3, 32, 32, 64)


class PointFeatureNet(nn.Module):
    """Three edge convolutions on the graph of the nearest neighbors, and two layers a point.

    Args:
        out_channels: of the features.

    Example:
        >>> PointFeatureNet()(torch.rand(50, 3), 10).shape
        torch.Size([50, 64])
    """

    def __init__(self, out_channels: int = 64) -> None:
        super().__init__()
        self.edges = nn.ModuleList(EdgeConvolution(*pair) for pair in pairwise(WIDTHS))
        self.hidden = nn.Linear(WIDTHS[-1], WIDTHS[-1], bias=False)
        self.last = nn.Linear(WIDTHS[-1], out_channels)

    def forward(self, points: Tensor, neighbors: int) -> Tensor:
        """Describe each point of a cloud by those around it.

        Args:
            points: `(N, 3)`, about -1 to 1.
            neighbors: of each point, itself among them; fewer where there are fewer points.

        Returns:
            `(N, out_channels)`.
        """
        graph = nearest_points(points, points, min(neighbors, len(points)))
        features = points
        for convolution in self.edges:
            features = convolution(features, graph)
        described: Tensor = self.last(normalize_rows(self.hidden(features)))
        return described


def join_clouds(fixed: Tensor, moving: Tensor) -> Tensor:
    """Make of two clouds, `(..., N, 3)` and `(..., M, 3)`, the one tensor of a `PointRegistrationNet`."""
    sides = [
        torch.cat([points, torch.full_like(points[..., :1], side)], -1) for side, points in enumerate((fixed, moving))
    ]
    return torch.cat(sides, -2)


class PointRegistrationNet(nn.Module):
    r"""Displacement of fixed key points towards what surrounds moving ones.

    The candidates of a fixed point are its nearest moving points; their cost is the mean squared difference of the
    features, to which `common.optimization.belief_propagation` adds what the neighbors say.

    Args:
        features: describes a cloud; `PointFeatureNet` by default.
        neighbors: of a point in the graph of the fixed cloud, for features and beliefs.
        moving_neighbors: of a point in the graph of the moving cloud, which is denser.
        candidates: moving points each fixed one is compared with; fewer where there are fewer.
        training_candidates: as many in training, where clouds are thinned; None for the same. What neighbors tell one
            another costs as much as the square of this number.
        smoothness: alpha, for the square of the difference between displacements of neighbors.
        iterations: of the belief propagation.
        sharpness: delta of the softmax over the candidates.

    Reference:
        Hansen, Heinrich, "Deep learning based geometric registration for medical images: how accurate can we get
        without visual features?", IPMI 2021, https://doi.org/10.1007/978-3-030-78191-0_2; as used by Bigalke et al.,
        MICCAI 2023, https://doi.org/10.1007/978-3-031-43999-5_64 -- section 3.1, numbers of their released code.

    Example:
        >>> net = PointRegistrationNet(candidates=8).eval()
        >>> net(join_clouds(torch.rand(1, 30, 3), torch.rand(1, 40, 3))).shape
        torch.Size([1, 30, 3])
    """

    def __init__(
        self,
        features: nn.Module | None = None,
        neighbors: int = 10,
        moving_neighbors: int = 40,
        candidates: int = 256,
        training_candidates: int | None = None,
        smoothness: float = 10.0,
        iterations: int = 5,
        sharpness: float = 50.0,
    ) -> None:
        super().__init__()
        self.features = PointFeatureNet() if features is None else features
        self.neighbors = neighbors
        self.moving_neighbors = moving_neighbors
        self.candidates = candidates
        self.training_candidates = candidates if training_candidates is None else training_candidates
        self.smoothness = smoothness
        self.iterations = iterations
        self.sharpness = sharpness

    def forward(self, clouds: Tensor) -> Tensor:
        """Register pairs of clouds.

        Args:
            clouds: key points of both, `(B, N + M, 4)`: three coordinates in a common frame, about -1 to 1, and 0 for
                one of the N fixed points or 1 for one of the M moving ones, of which all pairs have as many.

        Returns:
            Displacement of the fixed points towards the moving ones, in their order, `(B, N, 3)`.

        Raises:
            ValueError: if a shape is wrong or a pair lacks a cloud.
        """
        if clouds.ndim != 3 or clouds.shape[2] != 4:
            raise ValueError(
                f"PointRegistrationNet() expects 'clouds' of shape (B, N + M, 4), got {tuple(clouds.shape)}."
            )
        moving = clouds[..., 3] > 0.5
        counts = moving.sum(1).tolist()
        if len(set(counts)) > 1 or not 0 < counts[0] < clouds.shape[1]:
            raise ValueError(
                "PointRegistrationNet() expects pairs of as many fixed and as many moving points in 'clouds', got "
                f"{', '.join(map(str, counts))} moving ones of {clouds.shape[1]}."
            )
        pairs = [(points[~side, :3], points[side, :3]) for points, side in zip(clouds, moving, strict=True)]
        return torch.stack([self.register_pair(*pair, forget=len(pairs) > 1) for pair in pairs])

    def register_pair(self, fixed: Tensor, moving: Tensor, forget: bool = False) -> Tensor:
        """Register one pair, `(N, 3)` and `(M, 3)`.

        Args:
            fixed: the fixed points.
            moving: the moving points.
            forget: in training, compute the features a second time on the way back in place of keeping their layers.
        """
        candidates = self.training_candidates if self.training else self.candidates
        nearest = nearest_points(fixed, moving, min(candidates, len(moving)))
        if forget and torch.is_grad_enabled():
            cost = checkpoint(self._cost, fixed, moving, nearest, use_reentrant=False)
        else:
            cost = self._cost(fixed, moving, nearest)
        displacements = moving[nearest] - fixed[:, None]
        graph = displacement_graph(fixed, self.neighbors)
        belief = belief_propagation(cost, displacements, *graph, self.smoothness, self.iterations)
        return expected_displacement(belief, displacements, self.sharpness)

    def _cost(self, fixed: Tensor, moving: Tensor, nearest: Tensor) -> Tensor:
        """How little each fixed point is like its candidates, `(N, K)`."""
        described = self.features(fixed, self.neighbors), self.features(moving, self.moving_neighbors)
        theirs = described[1].index_select(0, nearest.flatten()).unflatten(0, nearest.shape)  # (N, K, channels)
        return (described[0][:, None] - theirs).square().mean(2)
