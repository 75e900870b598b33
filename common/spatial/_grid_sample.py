"""Linear interpolation by `grid_sample`, on all threads.

On a CPU the 3-D kernel runs in parallel over the batch only. One image is therefore shown to it as a batch of views
of itself, each sampled at its own slab of the coordinates: as many times faster as there are threads.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

# The gradient of the image is computed once a slab, so slabs cost memory.
MAXIMUM_SLABS = 8


def grid_sample(image: Tensor, grid: Tensor, padding: str) -> Tensor:
    """Interpolate linearly, `align_corners=True`.

    Args:
        image: `(B, C, *in)`.
        grid: normalized coordinates, `(B, *out, d)` with as many output axes as spatial axes.
        padding: `"border"` or `"zeros"`.

    Returns:
        `(B, C, *out)`.
    """
    slabs = min(torch.get_num_threads(), MAXIMUM_SLABS)
    if torch.jit.is_tracing() or image.ndim < 5 or len(image) > 1 or image.device.type != "cpu" or slabs == 1:
        return _sample(image, grid, padding)
    size = grid.shape[1]
    if size % slabs:
        grid = F.pad(grid, (0, 0) * (grid.ndim - 2) + (0, -size % slabs))
    grid = grid[0].unflatten(0, (slabs, -1))  # (slabs, rows, *out[1:], d)
    out = _sample(image.expand(slabs, *image.shape[1:]), grid, padding)  # (slabs, C, rows, *out[1:])
    return out.transpose(0, 1).flatten(1, 2)[None, :, :size]


def _sample(image: Tensor, grid: Tensor, padding: str) -> Tensor:
    return F.grid_sample(image, grid, mode="bilinear", padding_mode=padding, align_corners=True)
