"""The distance of two feature maps under a displacement, with its gradient, fast on a CPU.

`grid_sample` runs in parallel over the batch alone on a CPU and reads channels far apart; here the moving features
are a table of rows, one per voxel, and linear interpolation is a weighted sum of a bag of rows. Elsewhere, where each
start of a computation takes long, `grid_sample` is the shortest way.
"""

from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from common.spatial.checks import check_ddf, check_image, check_same_space
from common.spatial.precision import full_precision, lift, outside_inference

from .scheme import EXACT, Scheme

CHUNK = 1 << 16  # voxels; what is computed for so many stays in the cache
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
        check_ddf("FeatureDistance", ddf)
        check_same_space("FeatureDistance", "ddf", ddf, self.fixed, ddf.shape[1])
        with full_precision(ddf):
            if self.table is None:
                return self.sampled(lift(ddf))
            distances: Tensor = _Distances.apply(lift(ddf), self.table)
            return distances

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
        self.moving_rows = [_rows(F.pad(image[None], margin, mode=PADDINGS[scheme.padding])[0]) for image in moving]
        self.fixed_rows = [_rows(image) for image in fixed]
        self.known: list[Tensor] | None = None  # numbers of the rows of each sample
        if known is not None:
            self.known = [sample.flatten().nonzero()[:, 0] for sample in known]
            self.fixed_rows = [rows[some] for rows, some in zip(self.fixed_rows, self.known, strict=True)]

    def evaluate(self, ddf: Tensor) -> tuple[Tensor, Tensor]:
        """Return the distance of each sample, `(B,)`, and its gradient `(B, d, *spatial)`, per voxel."""
        shape = ddf.shape[2:]
        places = self.scheme.places(ddf).flatten(2)
        totals, gradient = ddf.new_zeros(len(ddf)), torch.zeros_like(places)
        for sample, (fixed, moving) in enumerate(zip(self.fixed_rows, self.moving_rows, strict=True)):
            fixed, moving = fixed.to(ddf.dtype), moving.to(ddf.dtype)
            for start in range(0, len(fixed), CHUNK):
                rows = slice(start, start + CHUNK)
                part = rows if self.known is None else self.known[sample][rows]
                squares, gradient[sample, :, part] = _compare(fixed[rows], moving, places[sample, :, part], shape)
                totals[sample] += squares
        gradient = gradient.view_as(ddf) * (2 / self.count)
        return totals / self.count, gradient * ddf.new_tensor(self.scheme.slopes(shape)).view(-1, *[1] * len(shape))


class _Distances(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ddf: Tensor, table: _Table) -> Tensor:
        values, gradient = table.evaluate(ddf)
        ctx.save_for_backward(gradient)
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        slopes = ctx.saved_tensors[0]
        return slopes * gradient.view(-1, *[1] * (slopes.ndim - 1)), None


def _rows(image: Tensor) -> Tensor:
    return image.flatten(1).T.contiguous()  # (N, C)


def _compare(fixed: Tensor, moving: Tensor, places: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Sum of squared differences at some places `(d, n)`, and half of its slope in each of them, `(d, n)`."""
    first, fraction = _corner(places, shape)
    weights = _corner_weights(fraction).requires_grad_()
    with torch.enable_grad():
        values = F.embedding_bag(_corner_rows(first, shape), moving, mode="sum", per_sample_weights=weights)
    residual = values.detach().sub_(fixed)  # (n, C)
    # What every corner would change: the dot products of the residual with the rows of the bag.
    (influence,) = torch.autograd.grad(values, weights, residual)
    slopes = _corner_slopes(influence, fraction)
    return torch.dot(residual.flatten(), residual.flatten()), slopes * _is_near(places, shape)


def _corner(places: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Lowest of the corners around each place, from -1, and the way from there, both `(d, n)`."""
    end = _end(places, shape)
    places = torch.minimum(places.clamp_min(-1), end)
    first = torch.minimum(places.floor(), end - 1)
    return first, places - first


def _is_near(places: Tensor, shape: torch.Size) -> Tensor:
    """Where a coordinate is so near the grid that it matters, `(d, n)`."""
    return (places > -1) & (places < _end(places, shape))


def _end(places: Tensor, shape: torch.Size) -> Tensor:
    return torch.tensor(shape, dtype=places.dtype, device=places.device)[:, None]


def _corner_rows(first: Tensor, shape: torch.Size) -> Tensor:
    """Rows of the padded table at all corners, `(n, 2 ** d)`, the last axis fastest."""
    row = torch.zeros_like(first[0], dtype=torch.int32)
    steps = torch.zeros(2 ** len(shape), dtype=torch.int32, device=first.device)
    corners = torch.tensor(list(product((0, 1), repeat=len(shape))), dtype=torch.int32, device=first.device)
    for axis, size in enumerate(shape):
        row = row * (size + 2) + (first[axis].int() + 1)
        steps = steps * (size + 2) + corners[:, axis]
    return row[:, None] + steps


def _corner_weights(fraction: Tensor) -> Tensor:
    weights = torch.ones_like(fraction[:1])
    for way in fraction:
        high = weights * way
        weights = torch.stack([weights - high, high], dim=1).flatten(0, 1)
    return weights.T.contiguous()  # (n, 2 ** d)


def _corner_slopes(influence: Tensor, fraction: Tensor) -> Tensor:
    """Derivative of the weighted sum of the corners along each axis, `(d, n)`, from the value of each corner."""
    values = influence.T.contiguous()
    slopes: list[Tensor] = []
    for way in fraction.flip(0):  # the axes from the last, which alternates fastest
        slope = values[1::2] - values[::2]
        slopes = [torch.lerp(s[::2], s[1::2], way) for s in slopes] + [slope]
        values = torch.lerp(values[::2], values[1::2], way)
    return torch.cat(slopes[::-1])
