"""Refine one displacement field by gradient descent on the features of its own pair.

MONAI trains networks; nothing there fits a single pair.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from common.spatial.checks import check_count, check_ddf, check_image
from common.spatial.precision import full_precision, lift

from .feature_distance import FeatureDistance
from .progress import advance
from .roughness import Roughness, stretching
from .scheme import EXACT, Scheme
from .upsample import resample_lattice

DISTANCE_WEIGHT = 12.0
ROUGHNESS_WEIGHT = 0.65
FILTERS = 3
Term = Callable[[Tensor], Tensor]  # of a field, a number for each sample


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
    linear_steps: int = 1,
) -> Tensor:
    """Fit a displacement field to a pair of feature maps with Adam.

    .. math:: L(p) = 12 mean |M(x + u(x)) - F(x)|^2 + lambda 0.65 R(v + u)

    The parameters p lie on the grid of the features, and u is p after three mean filters. R is the roughness, and v a
    field by which the moving features have been displaced before: the whole shall be smooth. Each sample of a batch
    moves as it would alone, and its field of the lowest loss is returned: where nothing is to gain, Adam's steps, which
    do not shrink with the gradient, do no harm. Works within `torch.no_grad` and `torch.inference_mode`; no gradient
    flows to the arguments.

    Args:
        fixed_features: F, `(B, C, *features)`, 2-D or 3-D, any unit.
        moving_features: M, `(B, C, *features)`, same unit.
        initial_ddf: where to begin, `(B, d, *spatial)`, voxels of the image.
        iterations: most steps; with 0, the initial field is the result.
        learning_rate: of Adam, voxels of the feature maps; it falls to 0 along half a cosine.
        regularization: lambda.
        stride: side of a voxel of the feature maps, voxels of the image.
        centered: where the voxels of the feature maps lie, see `resample_lattice`.
        tolerance: stop when no sample's loss changes by more than this share of it; None never stops early.
        callback: called with the number of the iteration, from 1, and its loss, mean over the batch.
        scheme: how to sample and smooth, whether the learning rate falls, and which field to return.
        terms: added to the loss; each of the field `(B, d, *features)`, voxels of the feature maps, and one number for
            each sample, `(B,)`, or for a batch of one.
        known: where F and M are compared, `(B, 1, *features)`; elsewhere, at 0, smoothness decides.
        roughness: R, of a field `(B, d, *features)`: `stretching`, the paper's, or `bending`.
        before: v, `(B, d, *spatial)`, voxels of the image; none without it.
        linear_steps: of so many steps the first interpolates, and the last one of all; in the others M is taken to be
            linear around its field, and terms that can do the same, those with a method `about`, do it. Their loss is
            that of this model, and their fields are not returned. With 1 every step interpolates; elsewhere than on a
            CPU the distance always does.

    Returns:
        Displacement, `(B, d, *spatial)`, voxels of the image, float32 or float64.

    Raises:
        TypeError: if a tensor is none, or the field not of floating point numbers.
        ValueError: if the shapes do not fit or `iterations` is negative.

    Reference:
        Bigalke et al., MICCAI 2023, https://doi.org/10.1007/978-3-031-43999-5_64 -- section 2.2, numbers from the
        released code; after Siebert et al., "Fast 3D Registration with Accurate Optimisation", Learn2Reg 2021.
    """
    _check(fixed_features, initial_ddf, iterations)
    check_count("adam_instance_optimization", "linear_steps", linear_steps)
    if iterations == 0:
        return lift(initial_ddf)
    shapes = initial_ddf.shape[2:], fixed_features.shape[2:]
    with torch.inference_mode(False), torch.enable_grad(), full_precision(initial_ddf):
        distance = FeatureDistance(fixed_features, moving_features, scheme, known)
        start = resample_lattice(lift(initial_ddf.detach()) / stride, shapes[1], 1 / stride, centered)
        if before is not None:
            before = resample_lattice(lift(before.detach()) / stride, shapes[1], 1 / stride, centered)
        field = _Objective(distance, regularization, terms, roughness, before, linear_steps).minimize(
            start.clone().requires_grad_(), iterations, learning_rate, tolerance, callback
        )
        field = resample_lattice(field * stride, shapes[0], stride, centered)
        return scheme.smooth(field, FILTERS)


class _Objective:
    def __init__(
        self,
        distance: FeatureDistance,
        regularization: float,
        terms: Sequence[Term],
        roughness: Roughness,
        before: Tensor | None,
        linear_steps: int,
    ) -> None:
        self.distance = distance
        self.regularization = regularization
        self.terms = terms
        self.roughness = roughness
        self.before = before
        self.linear_steps = linear_steps

    def minimize(
        self,
        parameters: Tensor,
        iterations: int,
        learning_rate: float,
        tolerance: float | None,
        callback: Callable[[int, float], None] | None,
    ) -> Tensor:
        scheme = self.distance.scheme
        optimizer = torch.optim.Adam([parameters], lr=learning_rate, fused=True)
        schedule = None if scheme.steady else CosineAnnealingLR(optimizer, iterations)
        best, unknown = parameters.detach().clone(), parameters.new_full((len(parameters),), float("inf"))
        lowest, previous = unknown, unknown
        for iteration in range(1, iterations + 1):
            optimizer.zero_grad()
            field = scheme.smooth(parameters, FILTERS)
            interpolates = (iteration - 1) % self.linear_steps == 0 or iteration == iterations
            if interpolates:
                distance, terms = self.near(field)
            losses = self.losses(field, distance, terms)
            losses.sum().backward()
            optimizer.step()
            if schedule is not None:
                schedule.step()
            values = losses.detach()
            advance("optimization", iteration, iterations)
            if callback is not None:
                callback(iteration, values.mean().item())
            if not interpolates:
                continue  # the loss is that of the model alone
            better = torch.ones_like(values, dtype=torch.bool) if scheme.last else values < lowest
            best[better], lowest = field.detach()[better], torch.minimum(values, lowest)
            if tolerance is not None and bool(((previous - values).abs() < tolerance * values.abs()).all()):
                break
            previous = values
        return best

    def near(self, field: Tensor) -> tuple[Term, Sequence[Term]]:
        """The distance and the terms, near a field where that is enough."""
        if self.linear_steps == 1:
            return self.distance.of_samples, self.terms
        terms = [term.about(field) if hasattr(term, "about") else term for term in self.terms]
        return self.distance.about(field), terms

    def losses(self, field: Tensor, distance: Term, terms: Sequence[Term]) -> Tensor:
        """The loss of each sample, `(B,)`."""
        whole = field if self.before is None else self.before + field
        roughness = torch.stack([self.roughness(sample[None]) for sample in whole])
        losses = DISTANCE_WEIGHT * distance(field) + self.regularization * ROUGHNESS_WEIGHT * roughness
        return sum((term(field) for term in terms), losses)


def _check(fixed_features: Tensor, initial_ddf: Tensor, iterations: int) -> None:
    check_image("adam_instance_optimization", "fixed_features", fixed_features)
    check_ddf("adam_instance_optimization", initial_ddf, "initial_ddf")
    check_count("adam_instance_optimization", "iterations", iterations, 0)
    if fixed_features.shape[0] != initial_ddf.shape[0] or fixed_features.ndim != initial_ddf.ndim:
        expected = (fixed_features.shape[0], fixed_features.ndim - 2, *initial_ddf.shape[2:])
        actual = tuple(initial_ddf.shape)
        raise ValueError(f"adam_instance_optimization() expects 'initial_ddf' of shape {expected}, got {actual}.")
