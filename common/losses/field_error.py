"""How far a field is from a known one, or from a pseudo label: a term of `RegistrationLoss`."""

from torch import Tensor

from common.spatial.checks import check_same_space

from .direction import Direction
from .term import Term

TINY = 1e-12  # voxels^2; the root has no slope at 0


class FieldError(Term):
    r"""Mean distance of the predicted from the known displacement.

    .. math:: \frac{\sum_x M(x) \, |u(x) - u^*(x)|^p}{\sum_x M(x)}

    Reads the known field of the pair from the batch; without one, and in the reverse direction, there is no such term.

    Args:
        target: key of the known field, `(B, d, *spatial)`, voxels, on the grid of the prediction.
        mask: key of M, `(B, 1, *spatial)`; by default every voxel counts.
        squared: p is 2, else 1.
        margin: voxels at either end of every axis that do not count.

    Raises:
        ValueError: in training, if shapes do not fit or a mask is missing.

    Reference:
        Eppenhof et al., "Progressively Trained Convolutional Neural Networks for Deformable Image Registration", TMI
        2020, https://doi.org/10.1109/TMI.2019.2953788 -- equation (4).
    """

    def __init__(
        self, target: str = "known_ddf", mask: str | None = None, squared: bool = True, margin: int = 0
    ) -> None:
        self.target = target
        self.mask = mask
        self.squared = squared
        self.margin = margin

    def __call__(self, pair: Direction, warped: Tensor | None = None) -> Tensor | None:
        """Compute, see `Term`."""
        known = pair.batch.get(self.target)
        if known is None or pair.fixed != "fixed":
            return None
        check_same_space("FieldError", self.target, known, pair.ddf, pair.ddf.shape[1])
        squares = (pair.ddf - known).square().sum(dim=1, keepdim=True)  # (B, 1, *spatial)
        errors = self._inside(squares if self.squared else squares.clamp(min=TINY).sqrt())
        if self.mask is None:
            return errors.mean()
        if self.mask not in pair.batch:
            raise ValueError(f"FieldError() expects a batch with '{self.mask}', got none.")
        mask = self._inside(pair.batch[self.mask].to(errors))
        return (mask * errors).sum() / mask.sum().clamp(min=1)

    def _inside(self, tensor: Tensor) -> Tensor:
        ends = [slice(self.margin, size - self.margin) for size in tensor.shape[2:]]
        return tensor[(slice(None), slice(None), *ends)]
