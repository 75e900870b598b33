"""What a field, or anything else that is predicted, should be like by itself: a term of `RegistrationLoss`."""

from collections.abc import Callable

import torch
from torch import Tensor

from .direction import Direction
from .term import Term


class Regularization(Term):
    r"""Sum of a penalty over what the network predicted.

    .. math:: \sum_i R(u_i)

    Reads nothing but the prediction.

    Args:
        loss: of one tensor.
        of: attribute of the prediction: a tensor, such as "ddf", `(B, d, *spatial)`, or several of them, such as the
            fields of all cascades.

    Raises:
        ValueError: in training, if the prediction has no such attribute.
    """

    def __init__(self, loss: Callable[[Tensor], Tensor], of: str = "ddf") -> None:
        self.loss = loss
        self.of = of

    def __call__(self, pair: Direction, warped: Tensor | None = None) -> Tensor:
        """Compute, see `Term`."""
        read = pair.ddf if self.of == "ddf" else getattr(pair.prediction, self.of, None)
        if read is None:
            raise ValueError(f"Regularization() expects a prediction with '{self.of}', got one without.")
        return self.loss(read) if isinstance(read, Tensor) else torch.stack([self.loss(each) for each in read]).sum()
