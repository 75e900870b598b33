"""A field averaged over several answers of one network, each to the moving scan in another pose.

MONAI's `TestTimeAugmentation` inverts what was done to an image; a displacement must be composed with it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from monai.inferers import Inferer
from monai.transforms.utils import create_rotate, create_scale, create_translate
from torch import Tensor

from common.spatial import affine_displacement, compose, warp


class AveragingInferer(Inferer):
    r"""Lets a network register the fixed scan to copies of the moving scan in other poses, and averages.

    .. math:: u = \frac{1}{n} \sum_k u_k \circ a_k, \quad u_k = N(f, m \circ a_k)

    The errors of the answers are partly independent, so that their mean is better than each of them. The poses a are
    drawn once, with a seed; the first is the scan as it is.

    Args:
        passes: n; 1 asks the network once, as `SimpleInferer` does.
        rotation_degrees: most rotation about each axis, or in the plane.
        translation_voxels: most translation along each axis.
        zoom: most relative change of size.
        seed: of the draw.
    """

    def __init__(
        self,
        passes: int = 5,
        rotation_degrees: float = 4.0,
        translation_voxels: float = 1.0,
        zoom: float = 0.03,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if passes < 1:
            raise ValueError(f"AveragingInferer() expects 'passes' of 1 or more, got {passes}.")
        self.passes = passes
        self.rotation = np.radians(rotation_degrees)
        self.translation = translation_voxels
        self.zoom = zoom
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
        total = network(inputs, *args, **kwargs)
        fixed, moving = torch.as_tensor(inputs).as_subclass(Tensor).chunk(2, dim=1)
        for pose in self._poses(inputs.ndim - 2):
            there = affine_displacement(pose[None].to(moving), moving.shape[2:]).expand(
                len(moving), -1, *moving.shape[2:]
            )
            ddf = network(torch.cat([fixed, warp(moving, there, padding="zeros")], dim=1), *args, **kwargs)
            total = total + compose(ddf, there)
        return total / self.passes

    def _poses(self, dims: int) -> list[Tensor]:
        """Matrices, `(d + 1, d + 1)`."""
        random = np.random.default_rng(self.seed)
        poses = []
        for _ in range(self.passes - 1):
            angles = random.uniform(-self.rotation, self.rotation, 1 if dims == 2 else 3).tolist()
            shift = random.uniform(-self.translation, self.translation, dims).tolist()
            scale = 1 + random.uniform(-self.zoom, self.zoom)
            pose = create_translate(dims, shift) @ create_rotate(dims, angles) @ create_scale(dims, [scale] * dims)
            poses.append(torch.as_tensor(pose))
        return poses
