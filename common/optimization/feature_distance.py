"""The distance of two feature maps under a displacement, with its gradient, fast on a CPU.

`grid_sample` runs in parallel over the batch alone on a CPU and reads channels far apart; here the moving features
are a table of rows, one per voxel, and linear interpolation is a weighted sum of a bag of rows. Elsewhere, where each
start of a computation takes long, `grid_sample` is the shortest way.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from common.spatial import sample
from common.spatial.checks import check_ddf, check_image, check_same_space
from common.spatial.precision import full_precision, lift, outside_inference

from ._chunks import CHUNK
from .parts import Part, whole
from .rows import corner, corner_rows, corner_slopes, corner_weights, is_near, rows_of
from .scheme import EXACT, Scheme

PADDINGS = {"zeros": "constant", "border": "replicate"}


class FeatureDistance:
    """Mean squared distance of fixed and displaced moving features.

    .. math:: E(u) = mean_{x, c} (M_c(x + u(x)) - F_c(x))^2

    The gradient with respect to u is the analytic one of linear interpolation; the features get none.

    Args:
        fixed_features: F, `(B, C, *spatial)`, 2-D or 3-D, any unit.
        moving_features: M, `(B, C, *spatial)`, same unit.
        scheme: where to look, and what lies beyond the grid of M.
        known: voxels of F that are compared, `(B, 1, *spatial)`, 0 for those that are not and count as equal.

    Raises:
        TypeError: if an argument is not a tensor.
        ValueError: if the shapes differ.

    Example:
        >>> features = torch.rand(1, 4, 5, 6, 7)
        >>> FeatureDistance(features, features)(torch.zeros(1, 3, 5, 6, 7))
        tensor(0.)
    """

    def __init__(
        self, fixed_features: Tensor, moving_features: Tensor, scheme: Scheme = EXACT, known: Tensor | None = None
    ) -> None:
        check_image("FeatureDistance", "fixed_features", fixed_features)
        check_image("FeatureDistance", "moving_features", moving_features)
        channels = fixed_features.shape[1]
        check_same_space("FeatureDistance", "moving_features", moving_features, fixed_features, channels)
        if known is not None:
            check_same_space("FeatureDistance", "known", known, fixed_features, 1)
        self.fixed, self.moving = lift(fixed_features.detach()), lift(moving_features.detach())
        self.known = None if known is None or bool(known.all()) else known.bool()
        self.scheme = scheme
        self.table = _Table(self.moving, scheme) if self.fixed.device.type == "cpu" else None
        if self.table is not None:
            self.fixed = self.fixed.movedim(1, -1).contiguous().movedim(-1, 1)  # its rows lie there as they are
        else:
            self.fixed, self.moving = outside_inference(self.fixed), outside_inference(self.moving)
            self.known = None if self.known is None else outside_inference(self.known)

    def __call__(self, ddf: Tensor) -> Tensor:
        """Return the distance, a scalar.

        Args:
            ddf: displacement u, `(B, d, *spatial)`, voxels.

        Returns:
            Mean over batch, voxels and channels, in the squared unit of the features.

        Raises:
            TypeError: if the field is not a tensor of floating point numbers.
            ValueError: if its shape does not fit.
        """
        return self.of_samples(ddf).mean()

    def of_samples(self, ddf: Tensor, part: Part | None = None) -> Tensor:
        """Return the distance of each sample, `(B,)`; see `__call__`.

        Args:
            ddf: displacement u at the voxels of the part.
            part: voxels of F that are compared; all without it.
        """
        part = whole(self.fixed.ndim - 2) if part is None else part
        fixed, known = part.of(self.fixed), None if self.known is None else part.of(self.known)
        check_ddf("FeatureDistance", ddf)
        check_same_space("FeatureDistance", "ddf", ddf, fixed, ddf.shape[1])
        with full_precision(ddf):
            places = self.scheme.places(ddf, part)
            if self.table is None:
                return self._sampled(fixed, known, places)
            distances: Tensor = _Distances.apply(places, fixed, known, self.table)
            return distances

    def _sampled(self, fixed: Tensor, known: Tensor | None, places: Tensor) -> Tensor:
        """The distance of each sample by way of `grid_sample`: slower on a CPU, the same elsewhere."""
        warped = sample(self.moving.to(places.dtype), places, padding=self.scheme.padding)
        squares = (warped - fixed).square()
        return (squares if known is None else squares.where(known, 0.0)).flatten(1).mean(1)


class _Table:
    """Moving features as rows, one a voxel, and how far others are from them."""

    def __init__(self, moving: Tensor, scheme: Scheme) -> None:
        self.shape, margin = moving.shape[2:], (1,) * 2 * (moving.ndim - 2)
        self.rows = [rows_of(F.pad(image[None], margin, mode=PADDINGS[scheme.padding])[0]) for image in moving]

    def compare(self, fixed: Tensor, known: Tensor | None, places: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distance of each sample, `(B,)`, and how it changes with each place, `(B, d, *spatial)`."""
        totals, gradient = places.new_zeros(len(places)), torch.zeros_like(places).flatten(2)
        for k, (image, rows) in enumerate(zip(fixed, self.rows, strict=True)):
            wanted, rows = rows_of(image).to(places.dtype), rows.to(places.dtype)
            some = None if known is None else known[k].flatten().nonzero()[:, 0]
            for start in range(0, len(wanted) if some is None else len(some), CHUNK):
                voxels = slice(start, start + CHUNK) if some is None else some[start : start + CHUNK]
                there = places[k].flatten(1)[:, voxels]
                squares, gradient[k, :, voxels] = _compare(wanted[voxels], rows, there, self.shape)
                totals[k] += squares
        count = fixed[0].numel()
        return totals / count, gradient.mul_(2 / count).view_as(places)


class _Distances(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, places: Tensor, fixed: Tensor, known: Tensor | None, table: _Table) -> Tensor:
        values, gradient = table.compare(fixed, known, places)
        ctx.save_for_backward(gradient)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        slopes = ctx.saved_tensors[0]
        return slopes * gradient.view(-1, *[1] * (slopes.ndim - 1)), None, None, None


def _compare(fixed: Tensor, moving: Tensor, places: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Sum of squared differences at some places `(d, n)`, and half of its slope in each of them, `(d, n)`."""
    first, fraction = corner(places, shape)
    weights = corner_weights(fraction).requires_grad_()
    with torch.enable_grad():
        values = F.embedding_bag(corner_rows(first, shape), moving, mode="sum", per_sample_weights=weights)
    residual = values.detach().sub_(fixed)  # (n, C)
    # What every corner would change: the dot products of the residual with the rows of the bag.
    (influence,) = torch.autograd.grad(values, weights, residual)
    _, slopes = corner_slopes(influence.T.contiguous(), fraction)
    return torch.dot(residual.flatten(), residual.flatten()), slopes * is_near(places, shape)
