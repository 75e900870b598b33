"""Refine one displacement field by gradient descent on the features of its own pair.

MONAI trains networks; nothing there fits a single pair.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from common.spatial.checks import check_count, check_ddf, check_image
from common.spatial.precision import full_precision, lift

from .feature_distance import FeatureDistance
from .parts import Part, parts_of, whole
from .progress import advance
from .roughness import Roughness, stretching
from .scheme import EXACT, Scheme
from .upsample import knots_of, resample_lattice, sample_axes

DISTANCE_WEIGHT = 12.0
ROUGHNESS_WEIGHT = 0.65
FILTERS, KNOT_FILTERS = 3, 1  # of voxels, and of knots that lie further apart
Term = Callable[[Tensor, Part], Tensor]  # of a field at some voxels, a number for each sample


def adam_instance_optimization(
    fixed_features: Tensor,
    moving_features: Tensor,
    initial_ddf: Tensor,
    iterations: int = 50,
    learning_rate: float = 1.0,
    regularization: float = 10.0,
    stride: float = 2.0,
    centered: bool = True,
    tolerance: float | None = None,
    callback: Callable[[int, float], None] | None = None,
    scheme: Scheme = EXACT,
    terms: Sequence[Term] = (),
    known: Tensor | None = None,
    roughness: Roughness = stretching,
    before: Tensor | None = None,
    knots: int = 1,
    samples: int | None = None,
) -> Tensor:
    """Fit a displacement field to a pair of feature maps with Adam.

    .. math:: L(p) = 12 mean |M(x + u(x)) - F(x)|^2 + lambda 0.65 R(v + u)

    The parameters p lie at knots on the grid of the features. Three mean filters make u of p; one does where they lie
    apart, and between them u is linear. R is the roughness, and v a field by which the moving features have been
    displaced before: the whole shall be smooth. Each sample of a batch moves as it would alone, and its field of the
    lowest loss is returned: where nothing is to gain, Adam's steps, which do not shrink with the gradient, do no harm.
    Works within `torch.no_grad` and `torch.inference_mode`; no gradient flows to the arguments.

    Args:
        fixed_features: F, `(B, C, *features)`, 2-D or 3-D, any unit.
        moving_features: M, `(B, C, *features)`, same unit.
        initial_ddf: where to begin, `(B, d, *spatial)`, voxels of the image.
        iterations: most steps; with 0, the initial field is the result.
        learning_rate: of Adam, voxels of the feature maps; it falls to 0 along half a cosine.
        regularization: lambda.
        stride: side of a voxel of the feature maps, voxels of the image.
        centered: where the voxels of the feature maps lie, see `resample_lattice`.
        tolerance: stop when no sample's loss has changed by more than this share of it since the same voxels were
            compared before; None never stops early.
        callback: called with the number of the iteration, from 1, and its loss, mean over the batch, of the voxels
            that it has compared.
        scheme: how to sample and smooth, whether the learning rate falls, and which field to return.
        terms: added to the loss; each of the field at some voxels of the feature maps, `(B, d, *part)`, counted in such
            voxels, and of what `part` of the grid these are, and one number for each sample, `(B,)`, or for a batch of
            one.
        known: where F and M are compared, `(B, 1, *features)`; elsewhere, at 0, smoothness decides.
        roughness: R, of a field at knots, `(B, d, *knots)`, and of their distance: `stretching`, the paper's, or
            `bending`.
        before: v, `(B, d, *spatial)`, voxels of the image; none without it.
        knots: distance of the knots, voxels of the feature maps.
        samples: voxels of the grid, known or not, that a step looks at, at least. Grids of twice as many and more are
            divided, see `parts_of`: each step looks at another part, and the fields that are measured on the first of
            them compete. None looks at all, and so does a pair of which some part knows nothing; so must a scheme that
            stretches.

    Returns:
        Displacement, `(B, d, *spatial)`, voxels of the image, float32 or float64.

    Raises:
        TypeError: if a tensor is none, or the field not of floating point numbers.
        ValueError: if the shapes do not fit, `iterations` is negative, `knots` or `samples` less than 1, or the scheme
            stretches and the grid is divided.

    Reference:
        Bigalke et al., MICCAI 2023, https://doi.org/10.1007/978-3-031-43999-5_64 -- section 2.2, numbers from the
        released code; after Siebert et al., "Fast 3D Registration with Accurate Optimisation", Learn2Reg 2021.
    """
    _check(fixed_features, initial_ddf, iterations)
    check_count("adam_instance_optimization", "knots", knots)
    check_count("adam_instance_optimization", "samples", 1 if samples is None else samples)
    if iterations == 0:
        return lift(initial_ddf)
    shape = fixed_features.shape[2:]
    with torch.inference_mode(False), torch.enable_grad(), full_precision(initial_ddf):

        def to_knots(ddf: Tensor) -> Tensor:
            return knots_of(resample_lattice(lift(ddf.detach()) / stride, shape, 1 / stride, centered), knots)

        distance = FeatureDistance(fixed_features, moving_features, scheme, known)
        objective = _Objective(
            [lambda field, part: DISTANCE_WEIGHT * distance.of_samples(field, part), *terms],
            lambda field: regularization * ROUGHNESS_WEIGHT * roughness(field, knots),
            None if before is None else to_knots(before),
            shape,
            knots,
        )
        parameters = to_knots(initial_ddf).clone().requires_grad_()
        parts = parts_of(shape, samples)
        if known is not None and not all(bool(part.of(known).flatten(1).any(1).all()) for part in parts):
            parts = [whole(len(shape))]
        field = _minimize(objective, parameters, iterations, learning_rate, tolerance, callback, scheme, parts)
        field = resample_lattice(
            objective.at(field, whole(len(shape))) * stride, initial_ddf.shape[2:], stride, centered
        )
        return scheme.smooth(field, FILTERS)


class _Objective(NamedTuple):
    """The loss of a field that is given at knots."""

    terms: Sequence[Term]
    roughness: Callable[[Tensor], Tensor]
    before: Tensor | None
    shape: torch.Size
    knots: int

    @property
    def filters(self) -> int:
        """How often the parameters are averaged."""
        return FILTERS if self.knots == 1 else KNOT_FILTERS

    def losses(self, field: Tensor, part: Part) -> Tensor:
        """The loss of each sample, `(B,)`, with what a part of the voxels tells."""
        entire = field if self.before is None else self.before + field
        roughness = torch.stack([self.roughness(sample[None]) for sample in entire])
        there = self.at(field, part)
        return sum((term(there, part) for term in self.terms), roughness)

    def at(self, field: Tensor, part: Part) -> Tensor:
        """The field at a part of the voxels, `(B, d, *part)`."""
        if self.knots == 1:
            return part.of(field)
        return sample_axes(field, [axis / self.knots for axis in part.axes(self.shape, field)])


def _minimize(
    objective: _Objective,
    parameters: Tensor,
    iterations: int,
    learning_rate: float,
    tolerance: float | None,
    callback: Callable[[int, float], None] | None,
    scheme: Scheme,
    parts: Sequence[Part],
) -> Tensor:
    """The best field at the knots."""
    optimizer = torch.optim.Adam([parameters], lr=learning_rate, fused=True)
    schedule = None if scheme.steady else CosineAnnealingLR(optimizer, iterations)
    best, unknown = parameters.detach().clone(), parameters.new_full((len(parameters),), float("inf"))
    lowest, previous = unknown, unknown
    for iteration in range(1, iterations + 1):
        part = parts[0 if iteration == iterations else (iteration - 1) % len(parts)]
        optimizer.zero_grad()
        field = scheme.smooth(parameters, objective.filters)
        losses = objective.losses(field, part)
        losses.sum().backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
        values = losses.detach()
        advance("optimization", iteration, iterations)
        if callback is not None:
            callback(iteration, values.mean().item())
        if part != parts[0]:
            continue  # the losses of other voxels are others
        better = torch.ones_like(values, dtype=torch.bool) if scheme.last else values < lowest
        best[better], lowest = field.detach()[better], torch.minimum(values, lowest)
        if tolerance is not None and bool(((previous - values).abs() < tolerance * values.abs()).all()):
            break
        previous = values
    return best


def _check(fixed_features: Tensor, initial_ddf: Tensor, iterations: int) -> None:
    check_image("adam_instance_optimization", "fixed_features", fixed_features)
    check_ddf("adam_instance_optimization", initial_ddf, "initial_ddf")
    check_count("adam_instance_optimization", "iterations", iterations, 0)
    if fixed_features.shape[0] != initial_ddf.shape[0] or fixed_features.ndim != initial_ddf.ndim:
        expected = (fixed_features.shape[0], fixed_features.ndim - 2, *initial_ddf.shape[2:])
        actual = tuple(initial_ddf.shape)
        raise ValueError(f"adam_instance_optimization() expects 'initial_ddf' of shape {expected}, got {actual}.")
