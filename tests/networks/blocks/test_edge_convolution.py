"""Edge convolution against its equation by PyTorch's layers."""

import torch
import torch.nn.functional as F

from common.networks.blocks.edge_convolution import EdgeConvolution
from common.spatial import nearest_points


def test_edge_convolution_is_its_equation() -> None:
    torch.manual_seed(0)
    block, features = EdgeConvolution(4, 6), torch.randn(20, 4)
    neighbors = nearest_points(features, features, 5)
    edges = torch.cat([features[neighbors] - features[:, None], features[:, None].expand(-1, 5, -1)], 2)
    edges = edges.permute(2, 0, 1)[None]  # (1, channels, N, k)
    for layer in block.layers:
        edges = F.leaky_relu(F.instance_norm(F.conv2d(edges, layer.get_parameter("weight")[..., None, None])), 0.01)
    torch.testing.assert_close(block(features, neighbors), edges.amax(3)[0].T, atol=1e-5, rtol=1e-4)


def test_edge_convolution_follows_the_order_of_points() -> None:
    torch.manual_seed(0)
    block, features, order = EdgeConvolution(3, 6), torch.randn(20, 3), torch.randperm(20)
    whole = block(features, nearest_points(features, features, 5))
    mixed = features[order]
    torch.testing.assert_close(block(mixed, nearest_points(mixed, mixed, 5)), whole[order], atol=1e-5, rtol=1e-4)
