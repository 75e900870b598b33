"""Registration by features and optimization, as one network: paper 003's method, with any features.

MONAI's registration networks regress a displacement; here the features are learned, or given, and it is solved for.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from common.networks.blocks.padding import cut
from common.optimization import (
    UNGUIDED,
    Guidance,
    advance,
    match_features,
    mean_difference,
    split_pair,
    upsample_displacement,
)

from .feature_extractor import FeatureExtractor
from .instance_optimization_net import REFINEMENTS, InstanceOptimizationNet, Points, Strides

WARPS = ((6, 4), (4, 2))
COMPARED = 2  # stride of the features by which the best of several fields is chosen


class CoupledConvexNet(InstanceOptimizationNet):
    """Registers two images: features, correlation, coupled convex optimization, instance optimization.

    Each warp registers the fixed image with the moving image as those before have left it, and so does each refinement
    after them, see `InstanceOptimizationNet`. A further warp finds what was too fine for those before, or takes over
    their mistakes: the field after each is refined once, and that is kept that leaves the smallest difference of the
    features.

    In training mode only the first warp is computed, without consistency and instance optimization, on a grid that may
    be coarser: the prediction of the self-training, differentiable with respect to the features.

    Args:
        features: extractor of the features of one image; MIND-SSC without one.
        warps: of each warp the stride of the features and the largest displacement on their grid.
        keep_best: of the fields after each warp, keep the one that fits best; else that after the last.
        feature_scale: factor of all features; it sets the sharpness of the optimization.
        consistency_iterations: of forward-backward consistency after each warp; 0 saves the backward direction.
        smoothing: mean filters after each doubling on the way to the grid of the images.
        refinements: of each the stride of the features, and the steps; without any the field is that of the warps.
        learning_rate: of their Adam, voxels of the features; without `reference` half of it at stride 1, for the rest.
        regularization: their weight of the roughness of the field: the larger, the smoother.
        information: their weight of the mutual information of the images' `detail`; the paper has none.
        bending: of the whole field is punished; else, as in the paper, the stretching of what a refinement adds.
        reference: do all as the reference implementation of the paper does, see `common.optimization.REFERENCE`.
        training_stride: side of a voxel of the prediction in training mode, voxels; it divides the first stride.
        knots: distance of the knots of their fields, voxels of the features; 1 with `reference`.
        samples: fewest voxels that their steps compare, see `adam_instance_optimization`; all with `reference`.

    Raises:
        ValueError: if there are no warps.

    Reference:
        Bigalke et al., "Unsupervised 3D Registration through Optimization-Guided Cyclical Self-training", MICCAI 2023,
        https://doi.org/10.1007/978-3-031-43999-5_64 -- section 2.2.

    Example:
        >>> import torch
        >>> net = CoupledConvexNet(warps=[(4, 2)], refinements=[]).eval()
        >>> net(torch.rand(1, 2, 18, 20, 22)).shape
        torch.Size([1, 3, 18, 20, 22])
    """

    def __init__(
        self,
        features: FeatureExtractor | None = None,
        warps: Strides = WARPS,
        keep_best: bool = True,
        feature_scale: float = 5.0,
        consistency_iterations: int = 15,
        smoothing: int = 2,
        refinements: Strides = REFINEMENTS,
        learning_rate: float = 1.0,
        regularization: float = 250.0,
        information: float = 12.0,
        bending: bool = True,
        reference: bool = False,
        training_stride: int = 1,
        knots: int = 2,
        samples: int | None = 2**18,
    ) -> None:
        super().__init__(
            features,
            refinements,
            feature_scale,
            learning_rate,
            regularization,
            information,
            bending,
            reference,
            knots,
            samples,
        )
        if not len(warps):
            raise ValueError("CoupledConvexNet() expects 'warps' of one pair or more, got none.")
        self.warps, self.keep_best = warps, keep_best
        self.consistency_iterations, self.smoothing = consistency_iterations, smoothing
        self.training_stride = training_stride

    def forward(self, image: Tensor, guidance: Guidance = UNGUIDED, displacement: Tensor | None = None) -> Tensor:
        """Register the moving image to the fixed image.

        Args:
            image: see `InstanceOptimizationNet`.
            guidance: what steers it besides.
            displacement: where the refinements begin in place of the warps, `(B, d, *spatial)`, voxels.

        Returns:
            Displacement on the fixed grid, `(B, d, *spatial)`, voxels, float32; in training mode, without a given one,
            that of every `training_stride`-th voxel, counted in such steps.

        Raises:
            TypeError: if the image is not a tensor, or the network is traced with instance optimization or a choice.
            ValueError: if its shape is wrong.
        """
        if displacement is not None:
            return super().forward(image, guidance, displacement)
        return self.register(image, guidance)[0]

    def register(self, image: Tensor, guidance: Guidance = UNGUIDED) -> tuple[Tensor, Tensor]:
        """Register, and keep what the instance optimization began with.

        Args:
            image: see `forward`.
            guidance: see `forward`.

        Returns:
            The displacement, see `forward`, and that of the warps alone, of the same shape and unit.
        """
        refinements = [] if self.training else [(stride, steps) for stride, steps in self.refinements if steps]
        self._check_not_traced(bool(refinements) or (self.keep_best and len(self.warps) > 1))
        fixed, moving = guidance.beside(*split_pair(type(self).__name__, image))
        unrefined, displacement = self._begin(fixed, moving, refinements[:1], guidance.points)
        displacement = self._refine(fixed, moving, displacement, refinements[1:], guidance.points)
        return displacement if self.training else self._unfolded(displacement), unrefined

    def _begin(self, fixed: Tensor, moving: Tensor, steps: Strides, points: Points) -> list[Tensor]:
        """The field of each sample's best warp, before and after the first refinement."""
        warped = self._warp_and_solve(fixed, moving, points)
        refined = [self._refine(fixed, moving, field, steps, points) for field in warped]
        best = self._best(fixed, moving, refined)
        return [torch.stack([fields[n][sample] for sample, n in enumerate(best)]) for fields in (warped, refined)]

    def _warp_and_solve(self, fixed: Tensor, moving: Tensor, points: Points) -> list[Tensor]:
        """The field after each warp, or after the last one, `(B, d, *spatial)`, voxels of the image."""
        first = points.first_field(fixed.shape[2:]) if points else None  # or that of the first warp
        fields = [self._solve(fixed, moving, self.warps[0], None) if first is None else first]
        for done in range(1 if first is None else 0, 1 if self.training else len(self.warps)):
            advance("warp", done, len(self.warps))
            warped = self.scheme.pull_back(moving, fields[-1], self.scheme.interpolation)
            left = points and points.left_by(fields[-1])
            fields.append(self.scheme.compose(fields[-1], self._solve(fixed, warped, self.warps[done], left)))
        return fields if self.keep_best else fields[-1:]

    def _solve(self, fixed: Tensor, moving: Tensor, warp: Sequence[int], points: Points) -> Tensor:
        """Displacement of one warp, `(B, d, *spatial)`, voxels of the image, or of its `training_stride`."""
        stride, radius = warp
        points = points and points.on_lattice(stride, self.centered)
        iterations, step = (0, self.training_stride) if self.training else (self.consistency_iterations, 1)
        sides = self._describe(fixed, stride), self._describe(moving, stride)
        displacement = match_features(*sides, radius, iterations, points, self.scheme)
        shape = [size * stride // step for size in displacement.shape[2:]]
        finer = upsample_displacement(displacement, shape, stride / step, self.centered, self.smoothing, self.scheme)
        return cut(finer, [-(-size // step) for size in fixed.shape[2:]])

    def _best(self, fixed: Tensor, moving: Tensor, fields: Sequence[Tensor]) -> list[int]:
        """Which of some fields leaves the smallest difference of the features, for each sample."""
        if len(fields) == 1:
            return [0] * len(fixed)
        described = self._describe(fixed, COMPARED)
        warped = [self._describe(self.scheme.pull_back(moving, field), COMPARED) for field in fields]
        return [int(n) for n in torch.stack([mean_difference(described, each) for each in warped]).argmin(0)]
