"""How a batch of pairs with pseudo labels is augmented: each image by an affine map of its own.

MONAI's random affine transforms do not know that a field has to follow both.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from common.optimization import EXACT, REFERENCE, transport_displacement
from common.spatial import affine_displacement, affine_in_voxels, warp
from common.transforms import random_contrast

from .batch import Batch, prepare_pair_batch

FIXED_SHARE = 1.5  # of the strength, for the map of the fixed image


class SelfTrainingBatch:
    r"""Moves fixed and moving image by random affine maps, and the label with them: a `prepare_batch`.

    .. math:: A = I + 1.5 s N_1, B = (I + s N_2) A

    with normal noise in :math:`N`; see `common.optimization.transport_displacement`. Maps are drawn from torch's own
    generator, which `common.handlers.EpochSeed` seeds.

    Args:
        strength: s, half the sides of the images for a step of 1; 0 leaves the pairs as they are.
        contrast: of a random curve of the gray values of each image, see `common.transforms.random_contrast`: for
            features that serve any contrast. Not of the paper.
        stride: side of a voxel of the label, voxels of the images.
        centered: where the voxels of the label lie, see `common.optimization.resample_lattice`.
        reference: do as the released code does.

    Reference:
        Bigalke et al., MICCAI 2023, https://doi.org/10.1007/978-3-031-43999-5_64 -- section 2.3 and released code.
    """

    def __init__(
        self,
        strength: float = 0.05,
        stride: int = 2,
        centered: bool = False,
        reference: bool = False,
        contrast: float = 0.0,
    ) -> None:
        self.strength = strength
        self.contrast = contrast
        self.stride = stride
        self.scheme = REFERENCE if reference else EXACT
        self.centered = centered or self.scheme.centered

    def __call__(
        self, batch: Mapping[str, Any], device: torch.device | str, non_blocking: bool = False, **_: Any
    ) -> tuple[Tensor, Batch]:
        """Augment.

        Args:
            batch: `fixed_image`, `moving_image`, `(B, 1, *spatial)`, and `pseudo_label`, `(B, d, *coarse)`, voxels of
                its grid, if it is there.
            device: where to.
            non_blocking: see `torch.Tensor.to`.

        Returns:
            The network's `image`, fixed channel first, and the batch.
        """
        image, moved = prepare_pair_batch(batch, device, non_blocking)
        maps = self.draw(len(image), image.ndim - 2)
        if self.strength:
            for key, matrix in zip(("fixed_image", "moving_image"), maps, strict=True):
                shape = moved[key].shape[2:]
                way = affine_displacement(affine_in_voxels(matrix.to(image), shape), shape)
                moved[key] = warp(moved[key], way, padding=self.scheme.padding)
        if "pseudo_label" in moved and (self.strength or self.scheme.commuting):
            label = moved["pseudo_label"]
            fixed_map, moving_map = (matrix.to(label) for matrix in maps)
            moved["pseudo_label"] = transport_displacement(
                label, fixed_map, moving_map, self.stride, self.centered, self.scheme
            )
        for key in ("fixed_image", "moving_image"):
            moved[key] = random_contrast(moved[key], self.contrast)
        return torch.cat([moved["fixed_image"], moved["moving_image"]], dim=1), moved

    def draw(self, count: int, dims: int) -> tuple[Tensor, Tensor]:
        """Draw maps of fixed and of moving images, `(count, d + 1, d + 1)` each, in half the sides of the images."""
        noise = torch.randn(2, count, dims + 1, dims + 1) * self.strength
        noise[:, :, -1] = 0
        identity = torch.eye(dims + 1)
        fixed_map = identity + FIXED_SHARE * noise[0]
        return fixed_map, (identity + noise[1]) @ fixed_map
