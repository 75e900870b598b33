"""Cost volume at the size of paper 003, beside the algorithm written down plainly; see `benchmarks/README.md`."""

import argparse
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from side_by_side import compare
from torch import Tensor

from common.optimization import correlation_volume


def plain_volume(fixed: Tensor, moving: Tensor, radius: int, line_by_line: bool = False) -> Tensor:
    """The published algorithm for one pair: unfold two axes, loop over the first, pool.

    All differences are there at once; or, `line_by_line`, those of the candidates that share a step along the first
    axis.
    """
    _, channels, height, width, depth = fixed.shape
    side = 2 * radius + 1
    padded = F.pad(moving[0], (radius,) * 6)  # (C, H + 2r, W + 2r, D + 2r)
    windows = F.unfold(padded, side).view(channels, height + 2 * radius, side**2, width, depth)
    lines = (fixed[0, :, :, None] - windows[:, start : start + height] for start in range(side))
    cost = (  # (side, H, side ** 2, W, D)
        torch.stack([line.abs().sum(0) for line in lines]) if line_by_line else torch.stack(list(lines)).abs().sum(1)
    )
    cost = cost.transpose(1, 2).reshape(1, side**3, height, width, depth)
    pooled = F.avg_pool3d(cost, 3, stride=1, padding=1).unflatten(1, (side, side, side))  # first, second, third axis
    return pooled.permute(0, 3, 2, 1, 4, 5, 6).reshape(1, side**3, height, width, depth)


def main() -> None:
    """Print the medians of both, forward alone and with the gradients of both maps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(24, 20, 32))
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--radius", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--line_by_line", action="store_true", help="a plain way that keeps fewer differences at once")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    fixed, moving = (torch.randn(1, arguments.channels, *arguments.shape).requires_grad_() for _ in range(2))
    plain = partial(plain_volume, line_by_line=arguments.line_by_line)
    volumes: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {"plain": plain, "ours": correlation_volume}
    torch.testing.assert_close(*(volume(fixed, moving, arguments.radius) for volume in volumes.values()))
    print(f"{arguments.threads} threads, {(2 * arguments.radius + 1) ** 3} candidates, {tuple(fixed.shape)}")

    def forward(name: str) -> None:
        with torch.no_grad():
            volumes[name](fixed, moving, arguments.radius)

    def forward_and_backward(name: str) -> None:
        torch.autograd.grad(volumes[name](fixed, moving, arguments.radius).sum(), (fixed, moving))

    compare("forward", forward, arguments.repeats)
    compare("forward and backward", forward_and_backward, arguments.repeats)


if __name__ == "__main__":
    main()
