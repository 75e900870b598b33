"""Registration by instance optimization alone, as one network: from where the images are, or from a given field.

MONAI has no registration of a pair by optimization.
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
    bending,
    detail,
    split_pair,
    stretching,
)
from common.spatial import unfold
from common.spatial.checks import check_ddf, check_same_space

from .feature_extractor import FeatureExtractor, describe

Strides = Sequence[Sequence[int]]  # pairs: stride of the features, and radius of a warp or steps of a refinement
REFINEMENTS = ((2, 40), (1, 20))
Points = GuidingPoints | None
NOT_EXPORTED = (
    "{} fits each pair by gradient descent or chooses among fields, which TorchScript cannot hold: export its features "
    "alone, such as the id feature_network."
)


class InstanceOptimizationNet(nn.Module):
    """Fits a displacement to two images by gradient descent on their features and their mutual information.

    Each refinement registers the fixed image with the moving image as what came before has left it; the fields compose
    to

    .. math:: u(x) = u_1(x) + u_0(x + u_1(x))

    What folds after the last one is smoothed there, see `common.spatial.unfold`. What lies within a few voxels of where
    it begins is found, not organs that lie elsewhere.

    Args:
        features: extractor of the features of one image; MIND-SSC without one.
        refinements: of each the stride of the features, and the steps.
        feature_scale: factor of all features.
        learning_rate: of their Adam, voxels of the features; without `reference` half of it at stride 1.
        regularization: their weight of the roughness of the field: the larger, the smoother.
        information: their weight of the mutual information of the images' `detail`; the paper has none.
        bending: of the whole field is punished; else, as in the paper, the stretching of what a refinement adds.
        reference: do all as the reference implementation of the paper does, see `common.optimization.REFERENCE`.
        knots: distance of the knots of their fields, voxels of the features; 1 with `reference`.
        samples: fewest voxels that their steps compare, see `adam_instance_optimization`; all with `reference`.

    Reference:
        Bigalke et al., "Unsupervised 3D Registration through Optimization-Guided Cyclical Self-training", MICCAI 2023,
        https://doi.org/10.1007/978-3-031-43999-5_64 -- section 2.2.

    Example:
        >>> import torch
        >>> net = InstanceOptimizationNet(refinements=[(2, 5)]).eval()
        >>> begun = torch.zeros(1, 3, 18, 20, 22)
        >>> net(torch.rand(1, 2, 18, 20, 22), displacement=begun).shape
        torch.Size([1, 3, 18, 20, 22])
    """

    gray = staticmethod(detail)  # of an image, what its mutual information is of

    def __init__(
        self,
        features: FeatureExtractor | None = None,
        refinements: Strides = REFINEMENTS,
        feature_scale: float = 5.0,
        learning_rate: float = 1.0,
        regularization: float = 250.0,
        information: float = 12.0,
        bending: bool = True,
        reference: bool = False,
        knots: int = 2,
        samples: int | None = 2**18,
    ) -> None:
        super().__init__()
        self.features = MINDSSC() if features is None else features
        self.refinements, self.feature_scale, self.learning_rate = refinements, feature_scale, learning_rate
        self.regularization, self.information, self.bending = regularization, information, bending
        self.scheme = REFERENCE if reference else EXACT
        self.knots, self.samples = (1, None) if reference else (knots, samples)

    def forward(self, image: Tensor, guidance: Guidance = UNGUIDED, displacement: Tensor | None = None) -> Tensor:
        """Register the moving image to the fixed image.

        Args:
            image: fixed and moving image, `(B, 2, *spatial)`, 2-D or 3-D, in the unit the features expect; or
                `(B, 4, *spatial)` with its field of view behind each, 1 where the scan was taken and 0 outside. Sizes
                that the strides do not divide are filled up and cut off again.
            guidance: what steers it besides.
            displacement: where it begins, `(B, d, *spatial)`, voxels; none without.

        Returns:
            Displacement on the fixed grid, `(B, d, *spatial)`, voxels, of the type of the image; in training mode, too.

        Raises:
            TypeError: if the image is not a tensor, the displacement not of floating point numbers, or the network
                is traced.
            ValueError: if its shape is wrong, or that of the displacement.
        """
        self._check_not_traced(bool(self.refinements))
        fixed, moving = guidance.beside(*split_pair(type(self).__name__, image))
        shape = fixed.shape[2:]
        if displacement is None:
            displacement = fixed.new_zeros(len(fixed), len(shape), *shape)
        check_ddf(type(self).__name__, displacement, "displacement")
        check_same_space(type(self).__name__, "displacement", displacement, fixed, len(shape))
        displacement = displacement.to(fixed.dtype)
        if guidance.points is not None:
            displacement = self.scheme.compose(displacement, guidance.points.left_by(displacement).first_field(shape))
        return self._unfolded(self._refine(fixed, moving, displacement, self.refinements, guidance.points))

    @property
    def centered(self) -> bool:
        """Where the voxels of feature maps, and of a coarser prediction, lie: see `resample_lattice`."""
        return self.scheme.centered or self.features.centered

    def __prepare_scriptable__(self) -> nn.Module:
        """Tell `torch.jit.script` why it cannot have this network."""
        raise TypeError(NOT_EXPORTED.format(type(self).__name__))

    def _check_not_traced(self, fits: bool) -> None:
        if torch.jit.is_tracing() and fits:
            raise TypeError(NOT_EXPORTED.format(type(self).__name__))

    def _unfolded(self, displacement: Tensor) -> Tensor:
        return displacement if self.scheme.folds else unfold(displacement)

    def _refine(self, fixed: Tensor, moving: Tensor, displacement: Tensor, steps: Strides, points: Points) -> Tensor:
        for stride, iterations in steps:
            if not iterations:
                continue
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
