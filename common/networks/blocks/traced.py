"""What `torch.jit.script` gets of a network whose code TorchScript cannot read, such as one that answers with a tuple.

MONAI's `ckpt_export` scripts unless it is told to trace.
"""

import warnings
from copy import deepcopy

import torch
from torch import Tensor, nn


class Traced(nn.Module):
    """The evaluation of a network, traced: for its `__prepare_scriptable__`, which torch calls before it scripts.

    Args:
        network: whose evaluation holds at any size of image when it is traced.
        image: an input of it.
    """

    def __init__(self, network: nn.Module, image: Tensor) -> None:
        super().__init__()
        evaluated = deepcopy(network).eval()  # a copy: parts of a network have modes of their own
        evaluated.requires_grad_(False)  # what is written out by hand has its gradient outside of the trace
        with warnings.catch_warnings(), torch.no_grad():
            # PyTorch's instance normalization compares sizes, which are numbers to a trace
            warnings.simplefilter("ignore", torch.jit.TracerWarning)
            self.network = torch.jit.trace(evaluated, image.to(next(network.parameters())), check_trace=False)

    def forward(self, image: Tensor) -> Tensor:
        """Answer as the network does in evaluation."""
        answer: Tensor = self.network(image)
        return answer
