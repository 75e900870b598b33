"""Pull an image through a displacement field.

MONAI's `Warp` adds field and grid in the field's own type, rebuilds the grid on every call and cannot warp integers.
"""

from torch import Tensor

from .checks import check_ddf, check_image, check_same_space
from .grid import identity_grid
from .precision import lift
from .sampling import sample


def warp(image: Tensor, ddf: Tensor, mode: str = "bilinear", padding: str = "border", fill: float = 0.0) -> Tensor:
    """Warp a moving image onto the fixed grid.

    .. math:: w(x) = m(x + u(x))

    Convention:
        Pull-back on the fixed grid; channel c of `ddf` moves along spatial axis c, in voxels.

    Args:
        image: moving image, `(B, C, *spatial)`, 2-D or 3-D.
        ddf: displacement, `(B, d, *spatial)`, voxels.
        mode: `"bilinear"` or `"nearest"`; see `sample`.
        padding: `"border"`, `"zeros"` or `"inside"`; see `sample`.
        fill: value outside for the padding `"inside"`, in the unit of the image.

    Returns:
        Warped image, `(B, C, *spatial)`, of the image's type (integers become float32 unless `mode` is `"nearest"`).

    Raises:
        TypeError: if an argument is not a tensor, or the field not of floating point numbers.
        ValueError: if the shapes do not fit or a word is unknown.

    Example:
        >>> import torch
        >>> image = torch.arange(4.0).view(1, 1, 1, 4)
        >>> shift = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1).expand(1, 2, 1, 4)
        >>> warp(image, shift)
        tensor([[[[1., 2., 3., 3.]]]])
    """
    check_image("warp", "image", image)
    check_ddf("warp", ddf)
    hint = "A moving image of another grid is resampled first; a field of another grid is rescaled, too."
    check_same_space("warp", "ddf", ddf, image, image.ndim - 2, hint)
    ddf = lift(ddf)
    places = ddf + identity_grid(ddf.shape[2:], ddf.dtype, ddf.device)
    return sample(image, places, mode, padding, fill)
