"""Training steps of a growing network over its whole schedule, beside those of its baseline; see `README.md`."""

import argparse
from statistics import median
from time import perf_counter, process_time

import torch
from torch import nn

from common.handlers import progressive_levels
from common.networks.nets import DisplacementUNet, ProgressiveUNet


def seconds(network: nn.Module, image: torch.Tensor, repeats: int) -> float:
    """Median of forward and backward, after a step that is not counted; on a CPU its time alone, whoever else waits."""
    clock = perf_counter if image.is_cuda else process_time
    times = []
    for _ in range(repeats + 1):
        start = clock()
        network.zero_grad()
        network(image).square().mean().backward()
        if image.is_cuda:
            torch.cuda.synchronize()
        times.append(clock() - start)
    return median(times[1:])


def main() -> None:
    """Print the time of each stage of the schedule, and the ratio of the sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--base_channels", type=int, default=8)
    parser.add_argument("--transition", type=int, default=2000)
    parser.add_argument("--duration", type=int, default=6000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    image = torch.rand(1, 2, *[arguments.size] * 3, device=arguments.device)
    plain = DisplacementUNet(base_channels=arguments.base_channels).to(image)
    growing = ProgressiveUNet(base_channels=arguments.base_channels).to(image)
    times: dict[tuple[bool, ...], float] = {}
    baseline, spent = [seconds(plain, image, arguments.repeats)], [0.0]
    end = (arguments.duration - arguments.transition) * 4 - arguments.duration // 2 + arguments.transition
    for step in range(40000):
        alpha = progressive_levels(step, transition=arguments.transition, duration=arguments.duration)
        stage = tuple(weight > 0 for weight in alpha)
        if stage not in times:
            growing.alpha = alpha
            times[stage] = seconds(growing, image, arguments.repeats)
            baseline.append(seconds(plain, image, arguments.repeats))
            print(f"levels {[level for level, counts in enumerate(stage) if counts]}: {1e3 * times[stage]:.0f} ms")
        spent.append(spent[-1] + times[stage])
    print(f"baseline: {1e3 * median(baseline):.0f} ms")
    for steps in (end, 20000, 30000, 40000):
        print(f"{steps} steps: ratio {spent[steps] / (steps * median(baseline)):.2f}")


if __name__ == "__main__":
    main()
