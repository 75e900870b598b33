"""What lies beyond the fields of view of two scans does not pull: nothing is known there.

A scan is continued beyond its border as it ends there, which looks like structure. MONAI knows no fields of view.
"""

import torch
from torch import Tensor

from common.spatial import mean_filter
from common.spatial.checks import check_image, check_same_space

from .correlation import correlation_volume

KNOWN = 0.5  # share of a voxel, or of the box around it, that must have been scanned


def forget_unseen(cost: Tensor, fixed_seen: Tensor, moving_seen: Tensor, radius: int) -> Tensor:
    r"""Make a candidate that leads out of the moving scan as good as the mean of the others of its voxel.

    So it neither attracts nor repels, and smoothness decides. A voxel that the fixed scan does not know, or that has no
    candidate in the moving one, gets costs of 0.

    Args:
        cost: of `correlation_volume`, `(B, (2 * radius + 1) ** d, *spatial)`, any unit.
        fixed_seen: share of each voxel that was scanned, `(B, 1, *spatial)`.
        moving_seen: the same of the moving scan.
        radius: of the candidates, voxels.

    Returns:
        Cost, as given where both scans know all.

    Raises:
        TypeError: if an argument is not a tensor.
        ValueError: if the shapes do not fit.
    """
    check_image("forget_unseen", "cost", cost)
    for name, seen in (("fixed_seen", fixed_seen), ("moving_seen", moving_seen)):
        check_same_space("forget_unseen", name, seen, cost, 1)
    if bool((fixed_seen == 1).all() and (moving_seen == 1).all()):
        return cost
    nothing, everything = torch.zeros_like(moving_seen), torch.ones_like(moving_seen)
    reached = correlation_volume(nothing, moving_seen, radius)  # |0 - seen| over the box
    known = (reached >= KNOWN * mean_filter(everything)).to(cost.dtype)  # at the border of the grid a box is smaller
    mean = (cost * known).sum(1, keepdim=True) / known.sum(1, keepdim=True).clamp_min(1)
    return torch.where(known > 0, cost, mean) * (fixed_seen >= KNOWN)


def split_pair(function: str, image: Tensor) -> tuple[Tensor, Tensor]:
    """Separate fixed and moving image, each with its field of view behind it.

    Args:
        function: name of the caller, for its error messages.
        image: both images, `(B, 2, *spatial)`, 2-D or 3-D; or `(B, 4, *spatial)`, with its field of view behind each,
            1 where the scan was taken and 0 outside. Without one, that is everywhere.

    Returns:
        Fixed and moving image, `(B, 2, *spatial)` each.

    Raises:
        TypeError: if the image is not a tensor.
        ValueError: if its shape is wrong.
    """
    check_image(function, "image", image)
    if image.shape[1] not in (2, 4):
        expected, got = (len(image), 2, *image.shape[2:]), f"{tuple(image.shape)}. Concatenate fixed and moving."
        raise ValueError(f"{function}() expects 'image' of shape {expected}, got {got}")
    fixed, moving = image.as_subclass(Tensor).chunk(2, dim=1)  # a MetaTensor knows fewer operations
    if fixed.shape[1] == 2:
        return fixed, moving
    return torch.cat([fixed, torch.ones_like(fixed)], 1), torch.cat([moving, torch.ones_like(moving)], 1)
