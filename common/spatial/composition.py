"""Put two displacement fields after one another.

MONAI has no composition; its `DVF2DDF` holds one inside, with zero padding.
"""

from torch import Tensor

from .checks import check_ddf, check_same_space
from .precision import full_precision, lift
from .warping import warp


def compose(first: Tensor, second: Tensor) -> Tensor:
    """Compose two displacement fields.

    .. math:: w(x) = u(x) + v(x + u(x))

    Convention:
        Pull-back: a point is moved by `first` and from there by `second`, so an image is warped by `second` and the
        result by `first`: `warp(m, compose(u, v)) == warp(warp(m, v), u)`.

    Args:
        first: u, `(B, d, *spatial)`, voxels.
        second: v, `(B, d, *spatial)`, voxels; continued with its border values outside the grid.

    Returns:
        Displacement w of the composition, `(B, d, *spatial)`, voxels, float32 or float64.

    Raises:
        TypeError: if an argument is not a tensor of floating point numbers.
        ValueError: if the shapes differ.

    Example:
        >>> import torch
        >>> compose(torch.zeros(1, 3, 4, 5, 6), torch.ones(1, 3, 4, 5, 6)).unique()
        tensor([1.])
    """
    check_ddf("compose", first, "first")
    check_ddf("compose", second, "second")
    check_same_space("compose", "second", second, first, first.ndim - 2, "Resample and rescale it first.")
    with full_precision(first):
        return lift(first) + warp(lift(second), first)
