"""Cost volume at the size of paper 003, beside the algorithm written down plainly; see `benchmarks/README.md`."""

import argparse
from collections.abc import Callable

import torch
import torch.nn.functional as F
from side_by_side import compare
from torch import Tensor

from common.optimization import correlation_volume


def plain_volume(fixed: Tensor, moving: Tensor, radius: int) -> Tensor:
    """The published algorithm for one pair: unfold two axes, loop over the first, pool each candidate."""
    _, channels, height, width, depth = fixed.shape
    side = 2 * radius + 1
    padded = F.pad(moving[0], (radius,) * 6)  # (C, H + 2r, W + 2r, D + 2r)
    windows = F.unfold(padded, side).view(channels, height + 2 * radius, side**2, width, depth)
    lines = []
    for start in range(side):
        difference = fixed[0, :, :, None] - windows[:, start : start + height]
        cost = difference.abs().sum(0).transpose(0, 1)  # (side ** 2, H, W, D)
        lines.append(F.avg_pool3d(cost, 3, stride=1, padding=1))
    volume = torch.stack(lines).unflatten(1, (side, side))  # (first, second, third, H, W, D)
    return volume.permute(2, 1, 0, 3, 4, 5).reshape(1, side**3, height, width, depth)


def main() -> None:
    """Print the medians of both, forward alone and with the gradients of both maps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(24, 20, 32))
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--radius", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    fixed, moving = (torch.randn(1, arguments.channels, *arguments.shape).requires_grad_() for _ in range(2))
    volumes: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {"plain": plain_volume, "ours": correlation_volume}
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
