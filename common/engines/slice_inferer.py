"""Runs a two-dimensional registration network on single slices and on stacks of them.

MONAI's `SliceInferer` slides windows over one slice after another, and gives two components of displacement back where
a volume has three.
"""

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer, SimpleInferer
from torch import Tensor

from common.optimization import advance


class SliceBySliceInferer(Inferer):
    """Registers a stack slice by slice: nothing moves along its last axis.

    Args:
        slices_at_once: how many slices are one batch; fewer need less memory.
        inferer: asks the network for slices; by default once.

    Raises:
        ValueError: if that is less than one.
    """

    def __init__(self, slices_at_once: int = 16, inferer: Inferer | None = None) -> None:
        if slices_at_once < 1:
            raise ValueError(f"SliceBySliceInferer() expects 'slices_at_once' of 1 or more, got {slices_at_once}.")
        self.slices_at_once = slices_at_once
        self.inferer = SimpleInferer() if inferer is None else inferer

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Register slices.

        Args:
            inputs: fixed and moving slice, ``(B, 2, H, W)``, or stacks ``(B, 2, H, W, D)`` of D slices.
            network: gives a ddf ``(B, 2, H, W)``, voxels.
            args: given on to the network.
            kwargs: given on to the network.

        Returns:
            The network's answer, for stacks with a third component, 0: ``(B, 3, H, W, D)``, voxels.

        Raises:
            ValueError: if the input is neither slices nor stacks.
        """
        if inputs.ndim == 4:
            return torch.as_tensor(self.inferer(inputs, network, *args, **kwargs))
        if inputs.ndim != 5:
            shape = tuple(inputs.shape)
            raise ValueError(f"SliceBySliceInferer() expects 'inputs' of 4 or 5 axes, got the shape {shape}.")
        stacks, _, _, _, depth = inputs.shape
        slices = inputs.movedim(-1, 1).flatten(0, 1)  # (B D, 2, H, W)
        answers: list[Tensor] = []
        for chunk in slices.split(self.slices_at_once):
            answers.append(torch.as_tensor(self.inferer(chunk.contiguous(), network, *args, **kwargs)))
            advance("slice", sum(map(len, answers)), len(slices))
        ddf = torch.cat(answers).unflatten(0, (stacks, depth)).movedim(1, -1)
        return torch.cat([ddf, torch.zeros_like(ddf[:, :1])], dim=1)
