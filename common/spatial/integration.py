"""A field from its spatial gradients: what grows along every axis cannot fold along it.

MONAI integrates velocities over time (`DVF2DDF`), not gradients over space.
"""

import torch
from torch import Tensor

from .checks import check_ddf
from .grid import identity_grid
from .precision import full_precision, lift


def integrate_gradients(gradients: Tensor, align_corners: bool = True) -> Tensor:
    r"""Sum the steps from voxel to voxel up to a displacement.

    .. math:: u_c(x) = 2 \sum_{j \le x_c} g_c(j) - 1 - x_c

    A gradient of 0.5 is a step of one voxel: the identity. Gradients in (0, 1) are steps of 0 to 2 voxels, so the field
    is monotone along each axis. The sum starts at the first face of the volume.

    Args:
        gradients: g, `(B, d, *spatial)`, in (0, 1); channel c grows along spatial axis c.
        align_corners: False reproduces the released code, which looks the same grid up in another convention than it
            was made for: the identity is then stretched by half a voxel on every side.

    Returns:
        Displacement, `(B, d, *spatial)`, voxels, float32 or float64.

    Raises:
        TypeError: if the gradients are not a tensor of floating point numbers.
        ValueError: if their shape is wrong.

    Reference:
        Estienne et al., "Deep learning based registration using spatial gradients and noisy segmentation labels",
        Learn2Reg 2020, https://doi.org/10.1007/978-3-030-71827-5_11 -- section 2.1 and released code.

    Example:
        >>> integrate_gradients(torch.full((1, 2, 3, 4), 0.5)).unique()
        tensor([0.])
    """
    check_ddf("integrate_gradients", gradients, "gradients")
    with full_precision(gradients):
        gradients = lift(gradients)
        places = [2 * gradients[:, c].cumsum(dim=c + 1) - 1 for c in range(gradients.shape[1])]
        if not align_corners:
            places = [p * (n / (n - 1)) - 0.5 for p, n in zip(places, gradients.shape[2:], strict=True)]
        return torch.stack(places, dim=1) - identity_grid(gradients.shape[2:], gradients.dtype, gradients.device)
