"""Field of B-spline control points, beside the transposed convolution it stands for; see `benchmarks/README.md`."""

import argparse

import torch
import torch.nn.functional as F
from side_by_side import compare
from torch import Tensor

from common.spatial import bspline, bspline_displacement

CASES = {"256 x 256, spacing 16": ((16, 16), 16), "128 x 128 x 96, spacing 4": ((32, 32, 24), 4)}


def transposed_convolution(points: Tensor, spacing: int) -> Tensor:
    """The sampled cubic kernel, one channel at a time, cropped to whole cells."""
    dims = points.ndim - 2
    samples = bspline((torch.arange(4 * spacing) - (2 * spacing - 0.5)) / spacing)
    kernel = samples
    for _ in range(dims - 1):
        kernel = kernel[..., None] * samples
    convolve = F.conv_transpose2d if dims == 2 else F.conv_transpose3d
    weight = kernel.expand(dims, 1, *kernel.shape)
    return convolve(points, weight, stride=spacing, groups=dims, padding=3 * spacing // 2)


def banded_matrices(points: Tensor, spacing: int) -> Tensor:
    """Ours."""
    return bspline_displacement(points, [spacing] * (points.ndim - 2))


def main() -> None:
    """Print the medians of both, forward alone and with the gradient."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    fields = {"plain": transposed_convolution, "ours": banded_matrices}
    for name, (grid, spacing) in CASES.items():
        points = torch.randn(1, len(grid), *grid, requires_grad=True)
        torch.testing.assert_close(*(field(points, spacing) for field in fields.values()), atol=1e-4, rtol=0)

        def forward(way: str, points: Tensor = points, spacing: int = spacing) -> None:
            with torch.no_grad():
                fields[way](points, spacing)

        def forward_and_backward(way: str, points: Tensor = points, spacing: int = spacing) -> None:
            torch.autograd.grad(fields[way](points, spacing).sum(), points)

        compare(f"{name}, forward", forward, arguments.repeats)
        compare(f"{name}, forward and backward", forward_and_backward, arguments.repeats)


if __name__ == "__main__":
    main()
