"""A network's field, made better for its own pair: instance optimization on top of any trained network.

MONAI's inferers ask a network; none fits what it answers to the pair.
"""

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer, SimpleInferer
from torch import Tensor

from common.features import MINDSSC
from common.io import InputError
from common.optimization import (
    UNGUIDED,
    Guidance,
    MutualInformation,
    Term,
    adam_instance_optimization,
    bending,
    coarsen_features,
    detail,
)
from common.spatial import compose, unfold, warp

FEATURE_SCALE, LEARNING_RATE, REGULARIZATION = 5.0, 1.0, 250.0  # of `CoupledConvexNet`; every voxel is a knot here
INFORMATION = 12.0


class InstanceOptimizationInferer(Inferer):
    """Asks a network, and refines its field by gradient descent on the pair's MIND-SSC features and gray values.

    The moving image is warped by the answer, what is left is optimized, see
    `common.optimization.adam_instance_optimization`, and composed with the answer; what folds then is smoothed.

    Args:
        iterations: steps; 0 gives the answer as it is.
        stride: of the features, voxels.
        regularization: weight of the bending energy of the whole field.
        information: weight of the mutual information of the gray values, see `CoupledConvexNet`.
        inferer: asks the network; by default once.

    Raises:
        ValueError: if the number of iterations is negative.
    """

    def __init__(
        self,
        iterations: int = 0,
        stride: int = 1,
        regularization: float = REGULARIZATION,
        information: float = INFORMATION,
        inferer: Inferer | None = None,
    ) -> None:
        super().__init__()
        if iterations < 0:
            raise ValueError(f"InstanceOptimizationInferer() expects 'iterations' of 0 or more, got {iterations}.")
        self.iterations = iterations
        self.stride = stride
        self.regularization = regularization
        self.information = information
        self.inferer = SimpleInferer() if inferer is None else inferer
        self.features = MINDSSC()

    def __call__(
        self,
        inputs: Tensor,
        network: Callable[..., Tensor],
        *args: Any,
        guidance: Guidance = UNGUIDED,
        **kwargs: Any,
    ) -> Tensor:
        """Register.

        Args:
            inputs: fixed and moving image, `(B, 2 C, *spatial)`, C channels each; sides that the stride divides.
            network: answers with the displacement, `(B, d, *spatial)`, voxels.
            args: handed to the network.
            guidance: what steers the optimization besides the images.
            kwargs: handed to the network.

        Returns:
            Displacement, `(B, d, *spatial)`, voxels; after an optimization `(B, 2 d, *spatial)`, behind it the answer.

        Raises:
            InputError: if something steers and nothing is optimized.
        """
        image = torch.as_tensor(inputs).as_subclass(Tensor)
        ddf = torch.as_tensor(self.inferer(image, network, *args, **kwargs))
        if not self.iterations:
            if guidance is not UNGUIDED:
                raise InputError("What guides a network's answer guides its optimization: set --instance_iterations.")
            return ddf
        fixed, moving = image.chunk(2, dim=1)
        channels = fixed.shape[1]
        fixed, moving = guidance.beside(fixed, moving)
        moving = warp(moving, ddf)
        terms = self._information(fixed[:, :channels], moving[:, :channels])
        left = None
        if guidance.points is not None:
            left = guidance.points.left_by(ddf)
            terms.append(left.on_lattice(self.stride, True).missed)
        rest = adam_instance_optimization(
            self._describe(fixed, channels),
            self._describe(moving, channels),
            torch.zeros_like(ddf) if left is None else left.first_field(ddf.shape[2:]).to(ddf),
            iterations=self.iterations,
            learning_rate=LEARNING_RATE,
            regularization=self.regularization,
            stride=self.stride,
            roughness=bending,
            before=ddf,
            terms=terms,
        )
        return torch.cat([unfold(compose(rest, ddf)), ddf], dim=1)

    def _information(self, fixed: Tensor, moving: Tensor) -> list[Term]:
        """The mutual information of each channel, which share the weight."""
        if not self.information:
            return []
        weight = self.information / fixed.shape[1]
        sides = ([detail(channel, self.stride, True) for channel in image.split(1, dim=1)] for image in (fixed, moving))
        return [MutualInformation(here, there, weight=weight) for here, there in zip(*sides, strict=True)]

    def _describe(self, image: Tensor, channels: int) -> Tensor:
        """Describe the channels of a scan, one by one, and put those behind them beside that."""
        described = [self.features(channel, self.stride) for channel in image[:, :channels].split(1, dim=1)]
        beside = coarsen_features(image[:, channels:], self.stride, True)
        return torch.cat([torch.cat(described, dim=1) * FEATURE_SCALE, beside], dim=1)
