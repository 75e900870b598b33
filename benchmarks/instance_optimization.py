"""Instance optimization at the size of paper 003, beside the algorithm written down plainly; `benchmarks/README.md`."""

import argparse

import torch
import torch.nn.functional as F
from side_by_side import compare
from torch import Tensor

from common.optimization import REFERENCE, adam_instance_optimization


def plain_optimization(
    fixed: Tensor, moving: Tensor, initial: Tensor, iterations: int, regularization: float = 10.0
) -> Tensor:
    """The published algorithm with what PyTorch has: pooling, `grid_sample` and its gradient, Adam."""
    shape = fixed.shape[2:]
    parameters = F.interpolate(initial / 2, size=shape, mode="trilinear").requires_grad_()
    identity = F.affine_grid(torch.eye(3, 4)[None].to(fixed), [1, 1, *shape], align_corners=False)
    extents = fixed.new_tensor([(n - 1) / 2 for n in shape]).view(1, 3, 1, 1, 1)
    optimizer = torch.optim.Adam([parameters], lr=1.0)
    field = parameters
    for _ in range(iterations):
        optimizer.zero_grad()
        field = smooth(parameters)
        warped = F.grid_sample(moving, identity + (field / extents).flip(1).movedim(1, -1), align_corners=False)
        roughness = sum(field.diff(dim=axis).square().mean() for axis in (2, 3, 4))
        loss = 12 * (warped - fixed).square().mean() + regularization * 0.65 * roughness
        loss.backward()
        optimizer.step()
    return smooth(F.interpolate(field.detach() * 2, size=initial.shape[2:], mode="trilinear"))


def smooth(field: Tensor) -> Tensor:
    """Three mean filters."""
    for _ in range(3):
        field = F.avg_pool3d(field, 3, stride=1, padding=1)
    return field


def main() -> None:
    """Print the medians of a few iterations of both, and what the results differ by."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(96, 80, 128), help="of the features")
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--iterations", type=int, default=5, help="of the optimization in each repeat")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    fixed, moving, initial = random_pair(arguments.channels, arguments.shape)

    def run(name: str) -> None:
        if name == "plain":
            results[name] = plain_optimization(fixed, moving, initial, arguments.iterations)
        else:
            results[name] = adam_instance_optimization(fixed, moving, initial, arguments.iterations, scheme=REFERENCE)

    results: dict[str, Tensor] = {}
    print(f"{arguments.threads} threads, {arguments.iterations} iterations, features {tuple(fixed.shape)}")
    compare("optimization, resampling included", run, arguments.repeats)
    difference = (results["plain"] - results["ours"]).abs()
    print(f"difference of the fields: mean {difference.mean():.1e}, largest {difference.max():.1e} voxels")


def random_pair(channels: int, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Smooth features and a smooth initial field of a few voxels."""
    coarse = [n // 4 for n in shape]
    fixed, moving = (F.interpolate(torch.randn(1, channels, *coarse), size=shape, mode="trilinear") for _ in range(2))
    field = 4 * torch.randn(1, 3, *[n // 16 for n in shape])
    return fixed, moving, F.interpolate(field, size=[2 * n for n in shape], mode="trilinear")


if __name__ == "__main__":
    main()
