"""One direction of a pair, as the terms of a loss see it.

MONAI's losses are handed a prediction and a target; a registration has an image, a label map and points of either side,
and a field that may go both ways.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from common.spatial import warp


class Prediction(Protocol):
    """What a network answers in training mode; it may leave out all but the field, and have more for its own terms.

    Attributes:
        ddf: displacement on the fixed grid, `(B, d, *spatial)`, voxels.
        levels: further displacements of the same shape, for the similarity alone (deep supervision).
        reverse: the prediction on the moving grid.
    """

    ddf: Tensor
    levels: tuple[Tensor, ...]
    reverse: "Prediction | None"


class Direction(NamedTuple):
    """A prediction and the pair it is of.

    Attributes:
        prediction: a displacement `(B, d, *spatial)` in voxels, or what has one, see `Prediction`.
        batch: what there is of either scan, such as `fixed_image` and `moving_label`, and of the pair.
        fixed: which scan of the batch is the fixed one here, "fixed" or "moving".
        moving: the other one.
        padding: of what is warped, see `common.spatial.warp`.
    """

    prediction: Any
    batch: Mapping[str, Any]
    fixed: str = "fixed"
    moving: str = "moving"
    padding: str = "zeros"

    @property
    def ddf(self) -> Tensor:
        """The predicted field, `(B, d, *spatial)`, voxels."""
        field: Tensor = getattr(self.prediction, "ddf", self.prediction)
        return field

    def of_fixed(self, kind: str) -> Any:
        """What the batch has of the fixed scan: its "image", "label", ...; None where it has nothing."""
        return self.batch.get(f"{self.fixed}_{kind}")

    def of_moving(self, kind: str) -> Any:
        """What the batch has of the moving scan."""
        return self.batch.get(f"{self.moving}_{kind}")

    def warp(self, moving: Tensor, ddf: Tensor | None = None) -> Tensor:
        """Warp what is of the moving scan, `(B, C, *spatial)`, by the predicted field, or by another one."""
        return warp(moving, self.ddf if ddf is None else ddf, padding=self.padding)


def directions(prediction: Any, batch: Mapping[str, Any], padding: str) -> Iterator[Direction]:
    """The predicted direction and, where the network predicts it, the reverse one with the scans exchanged."""
    yield Direction(prediction, batch, "fixed", "moving", padding)
    reverse = getattr(prediction, "reverse", None)
    if reverse is not None:
        yield Direction(reverse, batch, "moving", "fixed", padding)
