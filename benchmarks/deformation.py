"""A training pair of paper 002, beside the step it is for and the published generator's splines; see `README.md`."""

import argparse
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from side_by_side import compare, medians
from torch import Tensor

from common.networks.nets import ProgressiveUNet
from common.spatial import DeformedPair, RandomSpline, compose_splines, deformed_pair

AUGMENTATION = [RandomSpline(2, 0.05)]
MOTION = [RandomSpline(8, 0.025), RandomSpline(4, (0.025, 0.05, 0.1))]


class Plain:
    """Cubic splines by `map_coordinates`, one component at a time."""

    def __init__(self, image: Tensor, seed: int) -> None:
        self.image = image[0, 0].numpy()
        self.shape = self.image.shape
        self.generator = torch.Generator().manual_seed(seed)

    def values(self, spline: RandomSpline) -> NDArray:
        """What `RandomSpline.draw` draws, in voxels."""
        points = torch.as_tensor(spline.points).expand(3).tolist()
        drawn = 2 * torch.rand(3, *points, generator=self.generator) - 1
        largest = torch.as_tensor(spline.amplitude) * torch.tensor(self.shape)
        return (drawn * largest.view(3, 1, 1, 1)).numpy()

    def pair(self) -> DeformedPair:
        """As `deformed_pair`: the moving scan, then both fields on top of one another for the fixed one."""
        augmentation, motion = ([self.values(spline) for spline in splines] for splines in (AUGMENTATION, MOTION))
        grid = np.indices(self.shape, dtype=np.float32)
        augmented, moved = self.move(augmentation, grid), self.move(motion, grid)
        places = self.move(augmentation, moved)
        moving, mask, fixed = (self.look(*each) for each in ((self.image, augmented), (np.ones(self.shape), augmented),
                                                             (self.image, places)))  # fmt: skip
        return DeformedPair(*(torch.from_numpy(np.asarray(each))[None] for each in (fixed, moving, moved - grid, mask)))

    def move(self, fields: list[NDArray], places: NDArray) -> NDArray:
        """Where places are in the end."""
        for values in fields:
            steps = np.reshape([n / (c - 1) for n, c in zip(self.shape, values.shape[1:], strict=True)], (3, 1, 1, 1))
            places = places + np.stack([map_coordinates(v, places / steps, order=3, mode="mirror") for v in values])
        return places

    def look(self, image: NDArray, places: NDArray) -> NDArray:
        """One linear interpolation."""
        return map_coordinates(image, places, order=1, mode="constant")


def ours(image: Tensor, seed: int) -> DeformedPair:
    """The same pair, on the device of the image."""
    generator, shape = torch.Generator().manual_seed(seed), image.shape[2:]
    augmentation, motion = (
        [spline.draw(shape, 1, generator, image.device) for spline in each] for each in (AUGMENTATION, MOTION)
    )
    return deformed_pair(image, augmentation, motion, shape)


def main() -> None:
    """Print the medians of both, and how far their fields are apart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--base_channels", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu", help="of our pairs and of the training step")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    shape = (arguments.size,) * 3
    image = torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(0))
    placed = image.to(arguments.device)
    apart = (Plain(image, 0).pair().ddf - ours(placed, 0).ddf.cpu()).abs().max()
    print(f"largest difference of the fields: {float(apart):.1e} voxels")
    compare(
        f"pair, {arguments.size}^3",
        lambda way: run(lambda: Plain(image, 0).pair(), lambda: ours(placed, 0), way),
        arguments.repeats,
    )
    plain, grid = Plain(image, 0), np.indices(shape, dtype=np.float32)
    values = [plain.values(spline) for spline in AUGMENTATION]
    generator = torch.Generator().manual_seed(0)
    drawn = [spline.draw(shape, 1, generator, arguments.device) for spline in AUGMENTATION]
    compare(
        f"T1 alone, {arguments.size}^3",
        lambda way: run(lambda: plain.move(values, grid), lambda: compose_splines(drawn, shape), way),
        arguments.repeats,
    )
    network = ProgressiveUNet(base_channels=arguments.base_channels).to(arguments.device)
    scans = torch.cat([placed, placed], dim=1)
    step, pair = medians(
        lambda way: run(lambda: network(scans)[0].square().mean().backward(), lambda: ours(placed, 0), way),
        arguments.repeats,
    )
    print(f"training step {step:.1f} ms, its pair {pair:.1f} ms, of both {100 * pair / (step + pair):.1f} %")


def run(plain: Callable[[], object], ours: Callable[[], object], way: str) -> None:
    """Do it in one of the two ways."""
    (plain if way == "plain" else ours)()


if __name__ == "__main__":
    main()
