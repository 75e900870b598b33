"""What every term of a `RegistrationLoss` is."""

from typing import Protocol

from torch import Tensor

from .direction import Direction


class Term(Protocol):
    """A term says what it reads, is computed for each predicted direction, and knows nothing of its weight."""

    def moving(self, pair: Direction) -> Tensor | None:
        """What it needs of the moving scan, warped: `(B, C, *spatial)`; None for nothing.

        That of all terms is warped by the predicted field in one go.
        """
        return None

    def __call__(self, pair: Direction, warped: Tensor | None) -> Tensor | None:
        """Compute.

        Args:
            pair: prediction and batch.
            warped: what `moving` gave, warped by the predicted field.

        Returns:
            Scalar; None where the batch does not have what the term reads.
        """
        ...
