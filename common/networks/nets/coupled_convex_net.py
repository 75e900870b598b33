"""Registration by features and optimization, as one network: paper 003's method, with any features.

MONAI's registration networks regress a displacement; here the features are learned, or given, and it is solved for.
"""

from collections.abc import Sequence
from math import lcm

import torch
from torch import Tensor, nn

from common.features import MINDSSC
from common.networks.blocks.padding import cut, pad_to_multiple
from common.optimization import (
    EXACT,
    KNOWN,
    REFERENCE,
    UNGUIDED,
    Guidance,
    GuidingPoints,
    adam_instance_optimization,
    advance,
    coarsen_features,
    correlation_volume,
    coupled_convex,
    enforce_consistency,
    forget_unseen,
    upsample_displacement,
)
from common.spatial import unfold
from common.spatial.checks import check_image

from .feature_extractor import FeatureExtractor

Strides = Sequence[Sequence[int]]  # pairs: stride of the features, and radius of a warp or steps of a refinement
WARPS = ((6, 4),)
REFINEMENTS = ((2, 40), (1, 20))
Points = GuidingPoints | None
Side = tuple[Tensor, Tensor]  # features, and where they were seen
NOT_EXPORTED = (
    "CoupledConvexNet fits each pair by gradient descent, which TorchScript cannot hold: export its features alone, "
    "such as the id feature_network."
)


class CoupledConvexNet(nn.Module):
    """Registers two images: features, correlation, coupled convex optimization, instance optimization.

    Each warp, and each refinement by instance optimization after them, registers the fixed image with the moving image
    as those before have left it; the fields compose to

    .. math:: u(x) = u_1(x) + u_0(x + u_1(x))

    What folds after the last step is smoothed there, see `common.spatial.unfold`.

    In training mode only the first warp is computed, without consistency and instance optimization, on a grid that may
    be coarser: the prediction of the self-training, differentiable with respect to the features.

    Args:
        features: extractor of the features of one image; MIND-SSC without one.
        warps: of each warp the stride of the features and the largest displacement on their grid.
        feature_scale: factor of all features; it sets the sharpness of the optimization.
        consistency_iterations: of forward-backward consistency after each warp; 0 goes without and saves the
            backward direction.
        smoothing: mean filters after each doubling on the way to the grid of the images.
        refinements: of each refinement the stride of the features, and the steps; none at all, or those of 0 steps,
            leave the field of the warps.
        learning_rate: of their Adam, voxels of the features.
        regularization: their weight of the roughness of the field. The larger, the smoother is the field.
        tolerance: they stop when the loss changes by less than this share; None never stops early.
        reference: do all as the reference implementation of the paper does, see `common.optimization.REFERENCE`.
        training_stride: side of a voxel of the prediction in training mode, voxels of the image; it divides the first
            stride.

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
        feature_scale: float = 5.0,
        consistency_iterations: int = 15,
        smoothing: int = 2,
        refinements: Strides = REFINEMENTS,
        learning_rate: float = 1.0,
        regularization: float = 48.0,
        tolerance: float | None = None,
        reference: bool = False,
        training_stride: int = 1,
    ) -> None:
        super().__init__()
        if not len(warps):
            raise ValueError("CoupledConvexNet() expects 'warps' of one pair or more, got none.")
        self.features = MINDSSC() if features is None else features
        self.warps = warps
        self.feature_scale = feature_scale
        self.consistency_iterations = consistency_iterations
        self.smoothing = smoothing
        self.refinements = refinements
        self.learning_rate = learning_rate
        self.regularization = regularization
        self.tolerance = tolerance
        self.scheme = REFERENCE if reference else EXACT
        self.training_stride = training_stride

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
            TypeError: if the image is not a tensor, or the network is traced with instance optimization.
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

        Raises:
            TypeError: see `forward`.
            ValueError: see `forward`.
        """
        _check(image)
        refinements = [(stride, steps) for stride, steps in self.refinements if steps]
        if torch.jit.is_tracing() and refinements:
            raise TypeError(NOT_EXPORTED)
        multiple = lcm(*(stride for stride, _ in (*self.warps, *refinements)))
        sides = image.as_subclass(Tensor).chunk(2, dim=1)  # a MetaTensor knows fewer operations
        both = guidance.beside(*map(_bounded, sides))
        fixed, moving = (pad_to_multiple(each, multiple) for each in both)
        unrefined = displacement = self._warp_and_solve(fixed, moving, guidance.points)
        for stride, iterations in () if self.training else refinements:
            displacement = self._refine(fixed, moving, displacement, stride, iterations, guidance.points)
        step = self.training_stride if self.training else 1
        shape = [-(-size // step) for size in image.shape[2:]]
        unrefined, displacement = cut(unrefined, shape), cut(displacement, shape)
        if not self.scheme.folds and not self.training:
            displacement = unfold(displacement)
        return displacement, unrefined

    @property
    def centered(self) -> bool:
        """Where the voxels of feature maps, and of a coarser prediction, lie: see `resample_lattice`."""
        return self.scheme.centered or self.features.centered

    def __prepare_scriptable__(self) -> nn.Module:
        """Tell `torch.jit.script` why it cannot have this network."""
        raise TypeError(NOT_EXPORTED)

    def _warp_and_solve(self, fixed: Tensor, moving: Tensor, points: Points) -> Tensor:
        first = points.first_field(fixed.shape[2:]) if points else None  # or that of the first warp
        displacement = self._solve(fixed, moving, self.warps[0], None) if first is None else first
        for done in range(1 if first is None else 0, 1 if self.training else len(self.warps)):
            advance("warp", done, len(self.warps))
            warped = self.scheme.pull_back(moving, displacement, self.scheme.interpolation)
            left = points and points.left_by(displacement)
            displacement = self.scheme.compose(displacement, self._solve(fixed, warped, self.warps[done], left))
        return displacement

    def _solve(self, fixed: Tensor, moving: Tensor, warp: Sequence[int], points: Points) -> Tensor:
        """Displacement of one warp, `(B, d, *spatial)`, voxels of the image."""
        stride, radius = warp
        sides = [(self._describe(image, stride), self._seen(image, stride)) for image in (fixed, moving)]
        points = points and points.on_lattice(stride, self.centered)
        displacement = self._match(sides[0], sides[1], radius, points)
        if self.consistency_iterations and not self.training:
            backward = self._match(sides[1], sides[0], radius, points and points.reversed())
            displacement, _ = enforce_consistency(displacement, backward, self.consistency_iterations, self.scheme)
        step = self.training_stride if self.training else 1
        shape = [size // step for size in fixed.shape[2:]]
        return upsample_displacement(displacement, shape, stride / step, self.centered, self.smoothing, self.scheme)

    def _match(self, fixed: Side, moving: Side, radius: int, points: Points) -> Tensor:
        cost = correlation_volume(fixed[0], moving[0], radius)
        cost = forget_unseen(cost, fixed[1], moving[1], radius)
        return coupled_convex(points.add_to(cost, radius) if points else cost, radius, scheme=self.scheme)

    def _refine(
        self, fixed: Tensor, moving: Tensor, displacement: Tensor, stride: int, iterations: int, points: Points
    ) -> Tensor:
        whole = self.scheme.whole
        warped = moving if whole else self.scheme.pull_back(moving, displacement)
        if points is not None:
            points = (points if whole else points.left_by(displacement)).on_lattice(stride, self.centered)
        step = adam_instance_optimization(
            self._describe(fixed, stride),
            self._describe(warped, stride),
            displacement if whole else torch.zeros_like(displacement),
            iterations=iterations,
            learning_rate=self.learning_rate,
            regularization=self.regularization,
            stride=stride,
            centered=self.centered,
            tolerance=self.tolerance,
            scheme=self.scheme,
            term=points.missed if points else None,
            known=self._seen(fixed, stride) * self._seen(warped, stride),
        )
        return step if whole else self.scheme.compose(displacement, step)

    def _describe(self, image: Tensor, stride: int) -> Tensor:
        described = self.features(image[:, :1], stride) * self.feature_scale
        return torch.cat([described, coarsen_features(image[:, 2:], stride, self.features.centered)], 1)

    def _seen(self, image: Tensor, stride: int) -> Tensor:
        """Which voxels of the features lie in the field of view, `(B, 1, *spatial / stride)`, 1 or 0."""
        share = coarsen_features(image[:, 1:2], stride, self.features.centered)
        return torch.ones_like(share) if self.scheme.unbounded else (share >= KNOWN).to(image.dtype)


def _bounded(side: Tensor) -> Tensor:
    """An image and its field of view, which is the whole grid where there is none."""
    return side if side.shape[1] == 2 else torch.cat([side, torch.ones_like(side)], 1)


def _check(image: Tensor) -> None:
    check_image("CoupledConvexNet", "image", image)
    if image.shape[1] not in (2, 4):
        expected, got = (len(image), 2, *image.shape[2:]), f"{tuple(image.shape)}. Concatenate fixed and moving image."
        raise ValueError(f"CoupledConvexNet() expects 'image' of shape {expected}, got {got}")
