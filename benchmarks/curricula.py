"""What curricula add to a training step, in time and memory: the steps take turns in one run; see `README.md`."""

import argparse
from collections.abc import Callable
from statistics import median
from time import perf_counter, process_time

import torch
from monai.networks.nets import VoxelMorphUNet
from torch import Tensor, nn
from torch.distributed._tools.mem_tracker import MemTracker

from common.losses import DisplacementSmoothness, RegistrationLoss, Regularization, Similarity
from common.networks.layers import CurriculumDropout, CurriculumHooks, CurriculumSmoothing, InputBlur
from common.networks.nets import VTN, ProgressiveUNet, SymmetricGradientNet

NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "voxelmorph": lambda size: VoxelMorphUNet(3, 2, 32, (16, 32, 32, 32, 32, 32), (16, 16), use_maxpool=False),
    "progressive": lambda size: ProgressiveUNet(base_channels=8),
    "symmetric": lambda size: SymmetricGradientNet(multiplier=2).to(memory_format=torch.channels_last_3d),  # type: ignore[call-overload]
    "vtn": lambda size: VTN((size,) * 3),
}
Batch = dict[str, Tensor]


class Step:
    """A training step with one curriculum after the other.

    Args:
        network: name of one.
        size: voxels along each axis.
        batch_size: pairs.
        device: where to compute.
    """

    def __init__(self, network: str, size: int, batch_size: int, device: str) -> None:
        torch.manual_seed(0)
        self.network = NETWORKS[network](size).to(device).train()
        similarity, regularization = Similarity(nn.MSELoss()), Regularization(DisplacementSmoothness())
        self.loss = RegistrationLoss({"similarity": [1.0, similarity], "regularization": [1.0, regularization]})
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-4)
        images = torch.rand(2, batch_size, 1, size, size, size, device=device)
        self.batch: Batch = {"fixed_image": images[0], "moving_image": images[1]}
        self.ways: dict[str, tuple[CurriculumHooks | None, float]] = {
            "none": (None, 0.0),
            "input blur, sigma 1": (InputBlur(self.network, loss=self.loss), 1.0),
            "dropout, rate 0.5": (CurriculumDropout(self.network), 0.5),
            "smoothing, sigma 1": (CurriculumSmoothing(self.network), 1.0),
            "smoothing, sigma 0": (CurriculumSmoothing(self.network), 0.0),
        }

    def take(self, way: str) -> None:
        """Take a step in one of the ways."""
        curriculum, value = self.ways[way]
        if curriculum is not None:
            curriculum.value = value
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(self.network(torch.cat(list(self.batch.values()), dim=1)), self.batch).backward()
        self.optimizer.step()
        if curriculum is not None:
            curriculum.remove()

    def peak(self, way: str) -> float:
        """Most MiB of tensors alive at once in a step."""
        tracker = MemTracker()
        tracker.track_external(self.network, self.optimizer)
        with tracker:
            self.take(way)
        return max(each["Total"] for each in tracker.get_tracker_snapshot("peak").values()) / 2**20


def main() -> None:
    """Print the medians, their ratios to those of a step without curriculum, and the peaks of memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=NETWORKS, default="voxelmorph")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch_size", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cpu_time", action="store_true", help="time of the process and not of the clock")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    clock = process_time if arguments.cpu_time else perf_counter
    step = Step(arguments.network, arguments.size, arguments.batch_size, arguments.device)
    ways, times = list(step.ways), {way: [0.0] * arguments.rounds for way in step.ways}
    step.take("none")  # the optimizer has its averages from now on
    peaks = {way: step.peak(way) for way in ways}
    for number in range(arguments.rounds):
        for turn in range(len(ways)):
            way = ways[(number + turn) % len(ways)]  # another one is first in each round
            start = clock()
            step.take(way)
            if arguments.device != "cpu":
                torch.cuda.synchronize()
            times[way][number] = clock() - start
    print(f"{arguments.network}, {arguments.batch_size} x {arguments.size}^3, {arguments.rounds} rounds")
    for way in ways:
        paired = median(time / plain for time, plain in zip(times[way], times["none"], strict=True))
        ratios = f"{median(times[way]) / median(times['none']):.3f} (of rounds {paired:.3f})"
        memory = f"{peaks[way]:.0f} MiB, {peaks[way] / peaks['none']:.3f}"
        print(f"{way}: {1e3 * median(times[way]):.0f} ms, {ratios}; {memory}")


if __name__ == "__main__":
    main()
