"""From the network's answer on the working grid to one field on the fixed scan's own grid, pre-alignment included."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from common.io import ONE_SLICE, InputError, grid_of
from common.spatial import Grid, affine_places, displacement_to_world, ras_to_lps, sample


def native_displacement(
    ddf: torch.Tensor, working: Grid, fixed: Grid, matrix: torch.Tensor, refinement: MetaTensor | None = None
) -> torch.Tensor:
    """Chain the working field with the pre-alignment, on the fixed grid.

    .. math:: u(p) = T(p + w(p)) - p = (T_{lin} - I) p + t + T_{lin} w(p)

    Args:
        ddf: w on the working grid, ``(1, d, *working)``, working voxels.
        working: grid of ``ddf``, affine RAS.
        fixed: grid of the result, affine RAS.
        matrix: T, fixed to moving world points, LPS mm, ``(d + 1, d + 1)``.
        refinement: added to w, on a grid of its own, ``(d, *grid)``, LPS mm.

    Returns:
        u, ``(1, d, *fixed)``, LPS mm, float32.
    """
    fields = [(displacement_to_world(ddf.float(), working.affine), working)]
    if refinement is not None:
        fields.append((refinement.as_tensor()[None].float(), grid_of(refinement)))
    turned = [(torch.einsum("ij,bj...->bi...", matrix[:-1, :-1].float(), field), grid) for field, grid in fields]
    displacement = torch.empty(1, len(fixed.shape), *fixed.shape)
    for planes, slab in fixed.slabs():
        drift = (matrix - torch.eye(len(matrix))) @ ras_to_lps(slab.affine)  # fixed voxels to (T_lin - I) p + t
        displacement[:, :, planes] = affine_places(drift, slab.shape)
        for field, grid in turned:
            displacement[:, :, planes] += sample(field, slab.map_to(grid.affine))
    return displacement


class NativeFieldd(Transform):
    """Make of the network's ddf the one field of a pair, on the fixed scan's own grid.

    Args:
        key: the ddf, ``pred``: ``(d, *working)``, working voxels; ``image`` holds the working grid. Where there is a
            ``refinement`` of it, see `RefineFieldd`, that is added.

    Adds ``displacement_field``, the whole way, pre-alignment included: ``(d, *fixed)``, LPS mm, MetaTensor with the
    fixed affine; see `common.transforms.field_of`. The ddf stays what it is.
    """

    def __init__(self, key: str = "pred") -> None:
        self.key = key

    def __call__(self, data: Mapping[Any, Any]) -> dict[Hashable, Any]:
        """Resample and chain.

        Raises:
            InputError: if the network's answer is not finite.
        """
        fixed = data["fixed_image"]
        ddf = torch.as_tensor(data[self.key]).as_subclass(torch.Tensor).detach().cpu()[None]
        if not bool(ddf.isfinite().all()):
            raise InputError("The displacement is not finite: are the weights damaged, or the intensities extreme?")
        matrix = torch.as_tensor(data["initial_transform"], dtype=torch.float64)
        working = grid_of(data["image"])
        displacement = native_displacement(ddf, working, grid_of(fixed), matrix, data.get("refinement"))[0]
        meta = {ONE_SLICE: fixed.meta.get(ONE_SLICE, False)}
        return {**data, "displacement_field": MetaTensor(displacement, affine=fixed.affine, meta=meta)}
