"""From the network's answer on the working grid to one field on the fixed scan's own grid, pre-alignment included."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from common.io import ONE_SLICE, InputError, grid_of
from common.spatial import Grid, displacement_from_world, displacement_to_world, identity_grid, ras_to_lps, sample


def native_displacement(ddf: torch.Tensor, working: Grid, fixed: Grid, matrix: torch.Tensor) -> torch.Tensor:
    """Chain the working field with the pre-alignment, on the fixed grid.

    .. math:: u(p) = T(p + w(p)) - p = (T_{lin} - I) p + t + T_{lin} w(p)

    Args:
        ddf: w on the working grid, ``(1, d, *working)``, working voxels.
        working: grid of ``ddf``, affine RAS.
        fixed: grid of the result, affine RAS.
        matrix: T, fixed to moving world points, LPS mm, ``(d + 1, d + 1)``.

    Returns:
        u, ``(1, d, *fixed)``, LPS mm, float32.
    """
    inner = sample(displacement_to_world(ddf.float(), working.affine), fixed.map_to(working.affine))
    drift = (matrix - torch.eye(len(matrix))) @ ras_to_lps(fixed.affine)  # fixed voxels to (T_lin - I) p + t
    voxels = identity_grid(fixed.shape, torch.float64)
    outer = torch.einsum("ij,j...->i...", drift[:-1, :-1], voxels) + drift[:-1, -1].view(-1, *[1] * len(fixed.shape))
    return torch.einsum("ij,bj...->bi...", matrix[:-1, :-1].float(), inner) + outer.float()


class NativeFieldd(MapTransform):
    """Replace the network's ddf by the field on the fixed scan's own grid.

    Args:
        keys: the ddf, ``pred``: ``(d, *working)``, working voxels; ``image`` holds the working grid.
        reference: the fixed scan.

    The result holds the whole way, pre-alignment included: ``(d, *fixed)``, voxels of the fixed grid, MetaTensor with
    the fixed affine.
    """

    def __init__(self, keys: KeysCollection = "pred", reference: str = "fixed_image") -> None:
        super().__init__(keys)
        self.reference = reference

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Resample and chain.

        Raises:
            InputError: if the network's answer is not finite.
        """
        done = dict(data)
        reference = data[self.reference]
        fixed = grid_of(reference)
        for key in self.keys:
            ddf = torch.as_tensor(data[key]).as_subclass(torch.Tensor).detach().cpu()[None]
            if not bool(ddf.isfinite().all()):
                raise InputError("The displacement is not finite: are the weights damaged, or the intensities extreme?")
            matrix = torch.as_tensor(data["initial_transform"], dtype=torch.float64)
            displacement = native_displacement(ddf, grid_of(data["image"]), fixed, matrix)
            voxels = displacement_from_world(displacement, fixed.affine)[0]
            meta = {ONE_SLICE: reference.meta.get(ONE_SLICE, False)}
            done[key] = MetaTensor(voxels, affine=reference.affine, meta=meta)
        return done
