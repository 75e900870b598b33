"""First weights that keep the scale of what passes through a network.

PyTorch's `kaiming_uniform_` counts the inputs of a transposed convolution otherwise, and has gains for activations.
"""

from torch import nn


def start_uniform_scaling(network: nn.Module) -> None:
    r"""Draw the weights of all convolutions evenly, and make their biases zero.

    .. math:: w \sim U\left(-\sqrt{3 / n}, \sqrt{3 / n}\right)

    n is the number of weights of one output channel of a convolution, of one input channel of a transposed one.

    Args:
        network: changed in place.

    Reference:
        Sussillo, Abbott, "Random walk initialization for training very deep feedforward networks", 2014,
        https://arxiv.org/abs/1412.6558, as the code of Zhao et al., JBHI 2020, uses it.
    """
    for layer in network.modules():
        if isinstance(layer, nn.modules.conv._ConvNd):
            bound = (3 / layer.weight[0].numel()) ** 0.5
            nn.init.uniform_(layer.weight, -bound, bound)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
