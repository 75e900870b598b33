"""Convolution on a graph of points: what a point and each of its neighbors are to one another.

MONAI has no network for points.
"""

import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.01  # of the leaky ReLU below zero


class EdgeConvolution(nn.Module):
    r"""Three dense layers on every edge, and of all edges of a point the largest.

    .. math:: f'_i = \max_{j \in N(i)} h(f_j - f_i, f_i)

    with h three times a linear layer without bias, instance normalization over all edges, and leaky ReLU.

    Args:
        in_channels: of f.
        out_channels: of f'.

    Reference:
        Wang et al., "Dynamic graph CNN for learning on point clouds", ACM Transactions on Graphics 2019,
        https://doi.org/10.1145/3326362 -- equation (8); layers as in Hansen, Heinrich, IPMI 2021.

    Example:
        >>> import torch
        >>> EdgeConvolution(3, 8)(torch.rand(5, 3), torch.zeros(5, 2, dtype=torch.long)).shape
        torch.Size([5, 8])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        widths = (2 * in_channels, out_channels, out_channels)
        self.layers = nn.ModuleList(nn.Linear(width, out_channels, bias=False) for width in widths)

    def forward(self, features: Tensor, neighbors: Tensor) -> Tensor:
        """Convolve.

        Args:
            features: f, `(N, in_channels)`.
            neighbors: number of each point's neighbors, `(N, k)`.

        Returns:
            f', `(N, out_channels)`.
        """
        first, *others = (layer.get_parameter("weight") for layer in self.layers)
        of_difference, of_center = first.chunk(2, dim=1)
        # W (f_j - f_i, f_i) in two products of N rows in place of one of N k.
        center = features @ (of_center - of_difference).T
        edges = (features @ of_difference.T).index_select(0, neighbors.flatten())
        edges = (edges.unflatten(0, neighbors.shape) + center[:, None]).flatten(0, 1)  # (N k, out_channels)
        edges = F.leaky_relu(normalize_rows(edges), SLOPE)
        for weight in others:
            edges = F.leaky_relu(normalize_rows(edges @ weight.T), SLOPE)
        return edges.unflatten(0, neighbors.shape).amax(1)


def normalize_rows(rows: Tensor) -> Tensor:
    """Instance normalization of all rows of one cloud, `(N, channels)`."""
    return F.batch_norm(rows, None, None, training=True)
