"""The distance of two feature maps under a displacement, with its gradient, fast on a CPU.

`grid_sample` runs in parallel over the batch alone on a CPU and reads channels far apart; here the moving features
are a table of rows, one per voxel, and linear interpolation is a weighted sum of a bag of rows. Elsewhere, where each
start of a computation takes long, `grid_sample` is the shortest way.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from common.spatial.checks import check_ddf, check_image, check_same_space
from common.spatial.precision import full_precision, lift, outside_inference

from ._chunks import CHUNK, SMALL_CHUNK
from .quadratic_distance import QuadraticDistance
from .rows import corner, corner_rows, corner_slopes, corner_weights, is_near, rows_of, slopes_at
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
        self.table = _Table(self.fixed, self.moving, scheme, self.known) if self.fixed.device.type == "cpu" else None
        if self.table is None:
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

    def of_samples(self, ddf: Tensor) -> Tensor:
        """Return the distance of each sample, `(B,)`; see `__call__`."""
        self._check(ddf)
        with full_precision(ddf):
            if self.table is None:
                return self.sampled(lift(ddf))
            distances: Tensor = _Distances.apply(lift(ddf), self.table)
            return distances

    def about(self, ddf: Tensor) -> Callable[[Tensor], Tensor]:
        """Return a function like `of_samples`, near a displacement: there the features are taken to be linear.

        It is many times cheaper, and close as long as the field changes by a voxel or less. Elsewhere than on a CPU it
        is `of_samples` itself.

        Args:
            ddf: see `__call__`.

        Raises:
            TypeError: if the field is not a tensor of floating point numbers.
            ValueError: if its shape does not fit.
        """
        self._check(ddf)
        if self.table is None:
            return self.of_samples
        model = self.table.about(lift(ddf.detach()))
        return lambda field: _Distances.apply(lift(field), model)

    def _check(self, ddf: Tensor) -> None:
        check_ddf("FeatureDistance", ddf)
        check_same_space("FeatureDistance", "ddf", ddf, self.fixed, ddf.shape[1])

    def sampled(self, ddf: Tensor) -> Tensor:
        """Return the distance of each sample by way of `grid_sample`: slower on a CPU, the same elsewhere.

        Args:
            ddf: see `__call__`, float32 or float64.
        """
        squares = (self.scheme.pull_back(self.moving.to(ddf.dtype), ddf) - self.fixed).square()
        return (squares if self.known is None else squares.where(self.known, 0.0)).flatten(1).mean(1)


class _Table:
    """Rows of features, one a voxel, and what is computed with them."""

    def __init__(self, fixed: Tensor, moving: Tensor, scheme: Scheme, known: Tensor | None) -> None:
        self.scheme = scheme
        self.count = fixed[0].numel()
        margin = (1,) * 2 * (fixed.ndim - 2)
        self.moving_rows = [rows_of(F.pad(image[None], margin, mode=PADDINGS[scheme.padding])[0]) for image in moving]
        self.fixed_rows = [rows_of(image) for image in fixed]
        self.known: list[Tensor] | None = None  # numbers of the rows of each sample
        if known is not None:
            self.known = [sample.flatten().nonzero()[:, 0] for sample in known]
            self.fixed_rows = [rows[some] for rows, some in zip(self.fixed_rows, self.known, strict=True)]

    def evaluate(self, ddf: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distance of each sample, `(B,)`, and its gradient, `(B, d, *spatial)`."""
        totals, gradient = ddf.new_zeros(len(ddf)), torch.zeros_like(ddf).flatten(2)
        for sample, part, fixed, moving, places in self._portions(ddf, CHUNK):
            squares, gradient[sample, :, part] = _compare(fixed, moving, places, ddf.shape[2:])
            totals[sample] += squares
        growth = ddf.new_tensor(self.scheme.slopes(ddf.shape[2:])).view(-1, 1)
        return totals / self.count, (gradient * growth * (2 / self.count)).view_as(ddf)

    def about(self, ddf: Tensor) -> QuadraticDistance:
        """Return the distance near a displacement, where the features are taken to be linear."""
        dims, spatial = ddf.shape[1], ddf.shape[2:]
        totals, force = ddf.new_zeros(len(ddf)), torch.zeros_like(ddf).flatten(2)
        curvature = force.new_zeros(len(ddf), dims, *force.shape[1:])
        growth = ddf.new_tensor(self.scheme.slopes(spatial)).view(-1, 1, 1)
        for sample, part, fixed, moving, places in self._portions(ddf, SMALL_CHUNK):
            values, slopes = slopes_at(moving, places, spatial)
            residual, slopes = values - fixed, slopes * growth
            force[sample, :, part] = (slopes * residual).sum(dim=2)
            by_voxel = slopes.transpose(0, 1)  # (n, d, C)
            curvature[sample, :, :, part] = (by_voxel @ by_voxel.mT).permute(1, 2, 0)
            totals[sample] += residual.square().sum()
        force /= self.fixed_rows[0].shape[1]
        curvature /= self.fixed_rows[0].shape[1]
        return QuadraticDistance(ddf, totals / self.count, force, curvature)

    def _portions(self, ddf: Tensor, size: int) -> Iterator[tuple[int, Tensor | slice, Tensor, Tensor, Tensor]]:
        """Number of a sample, some of its voxels, their fixed rows, all moving rows, and where they look, `(d, n)`."""
        places = self.scheme.places(ddf).flatten(2)
        for sample, (fixed, moving) in enumerate(zip(self.fixed_rows, self.moving_rows, strict=True)):
            fixed, moving = fixed.to(ddf.dtype), moving.to(ddf.dtype)
            for start in range(0, len(fixed), size):
                rows = slice(start, start + size)
                part = rows if self.known is None else self.known[sample][rows]
                yield sample, part, fixed[rows], moving, places[sample, :, part]


class _Distances(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ddf: Tensor, function: "_Table | QuadraticDistance") -> Tensor:
        values, gradient = function.evaluate(ddf)
        ctx.save_for_backward(gradient)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        slopes = ctx.saved_tensors[0]
        return slopes * gradient.view(-1, *[1] * (slopes.ndim - 1)), None


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
