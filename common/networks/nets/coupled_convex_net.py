"""Registration by features and optimization, as one network: paper 003's method, with any features.

MONAI's registration networks regress a displacement; here the features are learned, or given, and it is solved for.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from common.features import MINDSSC
from common.networks.blocks.padding import cut, pad_to_multiple
from common.optimization import (
    EXACT,
    REFERENCE,
    UNGUIDED,
    Described,
    Guidance,
    GuidingPoints,
    MutualInformation,
    Term,
    adam_instance_optimization,
    advance,
    bending,
    detail,
    match_features,
    mean_difference,
    split_pair,
    stretching,
    upsample_displacement,
)
from common.spatial import unfold

from .feature_extractor import FeatureExtractor, describe

Strides = Sequence[Sequence[int]]  # pairs: stride of the features, and radius of a warp or steps of a refinement
WARPS = ((6, 4), (4, 2))
REFINEMENTS = ((2, 40), (1, 20))
COMPARED = 2  # stride of the features by which the best of several fields is chosen
Points = GuidingPoints | None
NOT_EXPORTED = (
    "CoupledConvexNet fits each pair by gradient descent and chooses among fields, which TorchScript cannot hold: "
    "export its features alone, such as the id feature_network."
)


class CoupledConvexNet(nn.Module):
    """Registers two images: features, correlation, coupled convex optimization, instance optimization.

    Each warp, and each refinement by instance optimization after them, registers the fixed image with the moving image
    as those before have left it; the fields compose to

    .. math:: u(x) = u_1(x) + u_0(x + u_1(x))

    A further warp finds what was too fine for those before, or takes over their mistakes: the field after each is
    refined once, and that is kept that leaves the smallest difference of the features. What folds after the last step
    is smoothed there, see `common.spatial.unfold`.

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

    gray = staticmethod(detail)  # of an image, what its mutual information is of

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
        super().__init__()
        if not len(warps):
            raise ValueError("CoupledConvexNet() expects 'warps' of one pair or more, got none.")
        self.features = MINDSSC() if features is None else features
        self.warps, self.keep_best, self.feature_scale = warps, keep_best, feature_scale
        self.consistency_iterations, self.smoothing = consistency_iterations, smoothing
        self.refinements, self.learning_rate = refinements, learning_rate
        self.regularization, self.information, self.bending = regularization, information, bending
        self.scheme, self.training_stride = REFERENCE if reference else EXACT, training_stride
        self.knots, self.samples = (1, None) if reference else (knots, samples)

    def forward(self, image: Tensor, guidance: Guidance = UNGUIDED) -> Tensor:
        """Register the moving image to the fixed image.

        Args:
            image: fixed and moving image, `(B, 2, *spatial)`, 2-D or 3-D, in the unit the features expect; or
                `(B, 4, *spatial)` with its field of view behind each, 1 where the scan was taken and 0 outside. Sizes
                that the strides do not divide are filled up and cut off again.
            guidance: what steers it besides.

        Returns:
            Displacement on the fixed grid, `(B, d, *spatial)`, voxels, float32; in training mode that of every
            `training_stride`-th voxel, counted in such steps.

        Raises:
            TypeError: if the image is not a tensor, or the network is traced with instance optimization or a choice.
            ValueError: if its shape is wrong.
        """
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
        if torch.jit.is_tracing() and (refinements or (self.keep_best and len(self.warps) > 1)):
            raise TypeError(NOT_EXPORTED)
        fixed, moving = guidance.beside(*split_pair(type(self).__name__, image))
        unrefined, displacement = self._begin(fixed, moving, refinements[:1], guidance.points)
        displacement = self._refine(fixed, moving, displacement, refinements[1:], guidance.points)
        if not self.scheme.folds and not self.training:
            displacement = unfold(displacement)
        return displacement, unrefined

    def _begin(self, fixed: Tensor, moving: Tensor, steps: Strides, points: Points) -> list[Tensor]:
        """The field of each sample's best warp, before and after the first refinement."""
        warped = self._warp_and_solve(fixed, moving, points)
        refined = [self._refine(fixed, moving, field, steps, points) for field in warped]
        best = self._best(fixed, moving, refined)
        return [torch.stack([fields[n][sample] for sample, n in enumerate(best)]) for fields in (warped, refined)]

    @property
    def centered(self) -> bool:
        """Where the voxels of feature maps, and of a coarser prediction, lie: see `resample_lattice`."""
        return self.scheme.centered or self.features.centered

    def __prepare_scriptable__(self) -> nn.Module:
        """Tell `torch.jit.script` why it cannot have this network."""
        raise TypeError(NOT_EXPORTED)

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

    def _refine(self, fixed: Tensor, moving: Tensor, displacement: Tensor, steps: Strides, points: Points) -> Tensor:
        for stride, iterations in steps:
            whole = self.scheme.whole
            sides = fixed, moving if whole else self.scheme.pull_back(moving, displacement)
            described, warped = (self._describe(image, stride) for image in sides)
            known = described.seen * warped.seen
            terms: list[Term] = []
            if self.information:
                here, there = (self.gray(pad_to_multiple(s[:, :1], stride), stride, self.centered) for s in sides)
                terms.append(MutualInformation(here, there, self.scheme, known, weight=self.information))
            if points is not None:
                terms.append(
                    (points if whole else points.left_by(displacement)).on_lattice(stride, self.centered).missed
                )
            padded = pad_to_multiple(displacement, stride)
            step = adam_instance_optimization(
                described.features,
                warped.features,
                padded if whole else torch.zeros_like(padded),
                iterations=iterations,
                learning_rate=self.learning_rate / (2 if stride == 1 and not whole else 1),
                regularization=self.regularization,
                stride=stride,
                centered=self.centered,
                scheme=self.scheme,
                terms=terms,
                known=known,
                roughness=bending if self.bending else stretching,
                before=padded if self.bending and not whole else None,
                knots=self.knots if points is None else 1,  # a point pulls at one place
                samples=self.samples,
            )
            displacement = cut(step if whole else self.scheme.compose(padded, step), fixed.shape[2:])
        return displacement

    def _describe(self, image: Tensor, stride: int) -> Described:
        """Features of an image and of what guides it, and which of them are in its field of view."""
        return describe(self.features, image, stride, self.feature_scale, self.scheme.unbounded)
