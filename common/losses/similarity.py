"""How alike the images are once the moving one is warped: a term of `RegistrationLoss`."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

from .direction import Direction
from .term import Term


class Similarity(Term):
    r"""Average similarity of the fixed and the warped moving image over the levels of the deep supervision.

    .. math:: \frac{1}{n} \sum_{i=1}^{n} S(m \circ u_i, f)

    Reads the images of the batch, and from the prediction `ddf` and, where it has them, `levels`.

    Args:
        loss: of the warped and the fixed image, `(B, C, *spatial)` both: a loss of MONAI or of this room.
        foreground: compare images only where both are above 0.
        mask: compare images only where this of the fixed scan is above 0, such as "mask" for `fixed_mask`.
        levels: compare at the levels of the deep supervision, too.
    """

    def __init__(
        self,
        loss: Callable[[Tensor, Tensor], Tensor],
        foreground: bool = False,
        mask: str | None = None,
        levels: bool = True,
    ) -> None:
        self.loss = loss
        self.foreground = foreground
        self.mask = mask
        self.levels = levels

    def moving(self, pair: Direction) -> Tensor:
        """The moving image."""
        image: Tensor = pair.of_moving("image")
        return image

    def __call__(self, pair: Direction, warped: Tensor | None) -> Tensor:
        """Compute, see `Term`."""
        levels = getattr(pair.prediction, "levels", ()) if self.levels else ()
        images = [cast(Tensor, warped), *(pair.warp(self.moving(pair), level) for level in levels)]
        return torch.stack([self._compare(pair, image) for image in images]).mean()

    def _compare(self, pair: Direction, warped: Tensor) -> Tensor:
        fixed = pair.of_fixed("image")
        if self.foreground:
            mask = (warped > 0) & (fixed > 0)
            warped, fixed = warped * mask, fixed * mask
        if self.mask is not None:
            mask = pair.of_fixed(self.mask) > 0
            warped, fixed = warped * mask, fixed * mask
        return self.loss(warped, fixed)
