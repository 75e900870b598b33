"""How well label maps agree once the moving one is warped: a term of `RegistrationLoss`."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from common.io import InputError

from .direction import Direction
from .term import Term


class Overlap(Term):
    r"""Overlap of the fixed and the warped moving label map.

    .. math:: O(l_m \circ u, l_f)

    Reads the label maps of the batch; without them there is no such term.

    Args:
        loss: of warped and fixed labels, `(B, len(labels), *spatial)` both, a channel each, from 0 to 1; such as
            MONAI's `DiceLoss`.
        labels: their values.

    Raises:
        InputError: in training, if only one of the scans has a label map, or one has other labels than 0 and these.
    """

    def __init__(self, loss: Callable[[Tensor, Tensor], Tensor], labels: Sequence[int]) -> None:
        self.loss = loss
        self.labels = [int(label) for label in labels]

    def moving(self, pair: Direction) -> Tensor | None:
        """The channels of the moving label map."""
        maps = [pair.of_fixed("label"), pair.of_moving("label")]
        if (maps[0] is None) != (maps[1] is None):
            raise InputError("Overlap() expects both label maps of a pair or none, got one.")
        return None if maps[1] is None else self._channels(pair.moving, maps[1])

    def __call__(self, pair: Direction, warped: Tensor | None) -> Tensor | None:
        """Compute, see `Term`."""
        return None if warped is None else self.loss(warped, self._channels(pair.fixed, pair.of_fixed("label")))

    def _channels(self, side: str, label: Tensor) -> Tensor:
        """A channel for every label, `(B, len(labels), *spatial)`."""
        label = label.as_subclass(Tensor)
        channels = torch.cat([label == value for value in self.labels], dim=1)
        unknown = label[(label != 0) & ~channels.any(dim=1, keepdim=True)]
        if unknown.numel():
            rule = f"'{side}_label' of the values 0 and labels={self.labels}"
            raise InputError(f"Overlap() expects {rule}, got {int(unknown[0])}.")
        return channels.float()
