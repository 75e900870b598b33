"""A field averaged over several answers of one network, each to the moving scan in another pose, and what is left.

MONAI's `TestTimeAugmentation` inverts what was done to an image; a displacement must be composed with it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from monai.inferers import Inferer
from monai.transforms.utils import create_rotate, create_scale, create_translate
from torch import Tensor

from common.optimization import advance
from common.spatial import affine_displacement, compose, warp


class TestTimeAugmentationInferer(Inferer):
    r"""Lets a network register the fixed scan to copies of the moving scan in other poses, and averages.

    .. math:: \bar{N}(f, m) = \frac{1}{n} \sum_k u_k \circ a_k, \quad u_k = N(f, m \circ a_k)

    The errors of the answers are partly independent, so that their mean is better than each of them. The poses a are
    drawn once, with a seed; the first is the scan as it is. On request the moving scan is then warped, and a share r of
    what the network still sees between the two is added:

    .. math:: u = \bar{u} \circ (id + r v) + r v, \quad \bar{u} = \bar{N}(f, m), \quad v = \bar{N}(f, m \circ \bar{u})

    Args:
        samples: n; 1 asks the network once, as `SimpleInferer` does.
        rotation_degrees: most rotation about each axis, or in the plane.
        translation_voxels: most translation along each axis.
        zoom: most relative change of size.
        residual_weight: r, from 0 to 1; 0 asks for the first field alone, in half the time.
        seed: of the draw.

    Raises:
        ValueError: if there are no samples, or the weight is no share.
    """

    __test__ = False  # for pytest, as in MONAI's `TestTimeAugmentation`

    def __init__(
        self,
        samples: int = 5,
        rotation_degrees: float = 4.0,
        translation_voxels: float = 1.0,
        zoom: float = 0.03,
        residual_weight: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if samples < 1:
            raise ValueError(f"TestTimeAugmentationInferer() expects 'samples' of 1 or more, got {samples}.")
        if not 0 <= residual_weight <= 1:
            raise ValueError(
                f"TestTimeAugmentationInferer() expects 'residual_weight' from 0 to 1, got {residual_weight}."
            )
        self.samples = samples
        self.rotation = np.radians(rotation_degrees)
        self.translation = translation_voxels
        self.zoom = zoom
        self.residual_weight = residual_weight
        self.seed = seed

    def __call__(self, inputs: Tensor, network: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Register.

        Args:
            inputs: fixed and moving scan, `(B, 2 * C, *spatial)`, fixed channels first; 0 around a scan.
            network: answers with the displacement, `(B, d, *spatial)`, voxels.
            args: handed to the network.
            kwargs: handed to the network.

        Returns:
            Displacement, `(B, d, *spatial)`, voxels.
        """
        image = torch.as_tensor(inputs).as_subclass(Tensor)
        ask = partial(network, *args, **kwargs)
        ddf = self._average(image, ask)
        if not self.residual_weight:
            return ddf
        fixed, moving = image.chunk(2, dim=1)
        rest = self._average(torch.cat([fixed, warp(moving, ddf, padding="zeros")], dim=1), ask)
        return compose(self.residual_weight * rest, ddf)

    def _average(self, image: Tensor, network: Callable[[Tensor], Tensor]) -> Tensor:
        """The mean of the answers to all poses."""
        total = network(image)
        fixed, moving = image.chunk(2, dim=1)
        for done, pose in enumerate(self._poses(image.ndim - 2), start=1):
            advance("pass", done, self.samples)
            there = affine_displacement(pose[None].to(moving), moving.shape[2:])
            there = there.expand(len(moving), -1, *moving.shape[2:])
            ddf = network(torch.cat([fixed, warp(moving, there, padding="zeros")], dim=1))
            total = total + compose(ddf, there)
        return total / self.samples

    def _poses(self, dims: int) -> list[Tensor]:
        """Matrices, `(d + 1, d + 1)`."""
        random = np.random.default_rng(self.seed)
        poses = []
        for _ in range(self.samples - 1):
            angles = random.uniform(-self.rotation, self.rotation, 1 if dims == 2 else 3).tolist()
            shift = random.uniform(-self.translation, self.translation, dims).tolist()
            scale = 1 + random.uniform(-self.zoom, self.zoom)
            pose = create_translate(dims, shift) @ create_rotate(dims, angles) @ create_scale(dims, [scale] * dims)
            poses.append(torch.as_tensor(pose))
        return poses
