"""A network's field, made better for its own pair: instance optimization on top of any trained network.

MONAI's inferers ask a network; none fits what it answers to the pair.
"""

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor

from common.features import MINDSSC
from common.optimization import adam_instance_optimization
from common.spatial import compose, unfold, warp

FEATURE_SCALE, LEARNING_RATE, DAMPING = 5.0, 0.3, 300.0  # as in `common.networks.nets.CoupledConvexNet`


class InstanceOptimizationInferer(Inferer):
    """Asks a network, and refines its field by gradient descent on the MIND-SSC features of the pair.

    The moving image is warped by the answer, what is left is optimized, see
    `common.optimization.adam_instance_optimization`, and composed with the answer; what folds then is smoothed.

    Args:
        iterations: steps; 0 gives the answer as it is.
        stride: of the features, voxels.
        regularization: weight of the roughness.

    Raises:
        ValueError: if the number of iterations is negative.
    """

    def __init__(self, iterations: int = 0, stride: int = 1, regularization: float = 30.0) -> None:
        super().__init__()
        if iterations < 0:
            raise ValueError(f"InstanceOptimizationInferer() expects 'iterations' of 0 or more, got {iterations}.")
        self.iterations = iterations
        self.stride = stride
        self.regularization = regularization
        self.features = MINDSSC()

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Register.

        Args:
            inputs: fixed and moving image, `(B, 2 C, *spatial)`, C channels each; sides that the stride divides.
            network: answers with the displacement, `(B, d, *spatial)`, voxels.
            args: handed to the network.
            kwargs: handed to the network.

        Returns:
            Displacement, `(B, d, *spatial)`, voxels.
        """
        image = torch.as_tensor(inputs).as_subclass(Tensor)
        ddf = network(image, *args, **kwargs)
        if not self.iterations:
            return ddf
        fixed, moving = image.chunk(2, dim=1)
        rest = adam_instance_optimization(
            self._describe(fixed),
            self._describe(warp(moving, ddf)),
            torch.zeros_like(ddf),
            iterations=self.iterations,
            learning_rate=LEARNING_RATE,
            regularization=self.regularization,
            damping=DAMPING,
            stride=self.stride,
        )
        return unfold(compose(rest, ddf))

    def _describe(self, image: Tensor) -> Tensor:
        described = [self.features(channel, self.stride) for channel in image.split(1, dim=1)]
        return torch.cat(described, dim=1) * FEATURE_SCALE
