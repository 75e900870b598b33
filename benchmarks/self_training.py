"""A pseudo label and a training step of paper 003, beside the published loop written down plainly; see `README.md`."""

import argparse
import copy
from typing import Any

import torch
import torch.nn.functional as F
from correlation_volume import plain_volume
from instance_optimization import plain_optimization
from scipy.linalg import expm, logm
from side_by_side import compare
from torch import Tensor, nn

from common.engines import SelfTrainingBatch, place_network
from common.handlers import SelfTrainingCycle
from common.losses import FieldError, RegistrationLoss
from common.networks.nets import CoupledConvexNet, SelfTrainingFeatureNet
from common.optimization import displacement_candidates
from common.phantoms import torso_phantom
from common.spatial import warp

COUPLINGS = (0.003, 0.03, 0.3)
RELEASED: dict[str, Any] = {"reference": True, "bending": False, "keep_best": False, "information": 0.0}
ITERATIONS = 50


def grid_of(image: Tensor, matrix: Tensor | None = None) -> Tensor:
    """Normalized places of an image's voxels, `(B, *shape, 3)`."""
    shape = image.shape[2:]
    matrix = (torch.eye(4)[None] if matrix is None else matrix).to(image)
    return F.affine_grid(matrix[:, :3], [len(matrix), 1, *shape], align_corners=False)


def look_up(image: Tensor, field: Tensor, mode: str = "bilinear") -> Tensor:
    """An image or a field, `(B, C, *spatial)`, where a field, normalized x, y, z, leads."""
    return F.grid_sample(image, grid_of(image) + field.movedim(1, -1), mode=mode, align_corners=False)


def extents(field: Tensor) -> Tensor:
    """What a normalized displacement of 1 is in voxels."""
    return field.new_tensor([(n - 1) / 2 for n in field.shape[2:]]).view(1, 3, 1, 1, 1)


def pool(field: Tensor, repeats: int = 1) -> Tensor:
    """Mean filters."""
    for _ in range(repeats):
        field = F.avg_pool3d(field, 3, stride=1, padding=1)
    return field


def plain_match(fixed: Tensor, moving: Tensor) -> Tensor:
    """Coupled convex optimization of a batch of features, normalized x, y, z."""
    cost = torch.cat([plain_volume(5 * f[None], 5 * m[None], 2) for f, m in zip(fixed, moving, strict=True)])
    candidates = displacement_candidates(2, 3).to(cost).view(1, -1, 3, 1, 1, 1)
    field = (candidates * F.softmax(-20 * cost, dim=1)[:, :, None]).sum(1)
    for theta in COUPLINGS:
        coupled = cost + theta * (candidates - field[:, None]).square().sum(2)
        field = pool((candidates * F.softmax(-20 * coupled, dim=1)[:, :, None]).sum(1))
    return (field / extents(field)).flip(1)


def plain_upsample(field: Tensor, shape: torch.Size) -> Tensor:
    """From the grid of the features to another."""
    for _ in range(2):
        field = pool(F.interpolate(field, scale_factor=2, mode="trilinear"), 2)
    return F.interpolate(field, size=shape, mode="trilinear")


def plain_warp(features: nn.Module, fixed: Tensor, moving: Tensor) -> Tensor:
    """One warp with forward-backward consistency, normalized x, y, z."""
    maps = features(fixed), features(moving)
    forward, backward = plain_match(*maps), plain_match(*maps[::-1])
    for _ in range(15):
        forward, backward = (
            0.5 * (forward - look_up(backward, forward)),
            0.5 * (backward - look_up(forward, backward)),
        )
    return plain_upsample(forward, fixed.shape[2:])


def plain_label(features: SelfTrainingFeatureNet, image: Tensor) -> Tensor:
    """Two warps and Adam, at half the grid, normalized x, y, z."""
    fixed, moving = image[:, :1], image[:, 1:]
    with torch.no_grad():
        first = plain_warp(features, fixed, moving)
        second = plain_warp(features, fixed, look_up(moving, first, "nearest"))
        field = first + look_up(second, first)
        early = nn.Sequential(*list(features)[:6])
        projection = features.projection[..., None, None, None]
        maps = [5 * F.conv3d(early(each), projection) for each in (fixed, moving)]
    voxels = field.flip(1) * extents(field)
    refined = plain_optimization(*maps, voxels, ITERATIONS, regularization=1.0) / extents(field)
    return F.interpolate(refined.flip(1), scale_factor=0.5, mode="trilinear")


def plain_augmentation(pair: dict[str, Tensor], maps: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Both images, and the field by way of the full grid; maps and field in x, y, z."""
    fixed, moving = (
        F.grid_sample(image, grid_of(image, matrix), align_corners=False)
        for image, matrix in zip((pair["fixed_image"], pair["moving_image"]), maps, strict=True)
    )
    logarithms = ([logm(each) for each in matrices.double()] for matrices in maps)
    between = torch.stack([torch.from_numpy(expm(a - b)).float() for a, b in zip(*logarithms, strict=True)])
    half = F.interpolate(pair["label"], scale_factor=0.5, mode="trilinear")
    full = F.interpolate(half, scale_factor=4, mode="trilinear")
    places = grid_of(fixed, between)
    moved = F.grid_sample(full, places, align_corners=False) + (places - grid_of(fixed)).movedim(-1, 1)
    return fixed, moving, F.interpolate(moved, scale_factor=0.5, mode="trilinear")


class Step:
    """One iteration of the training, in either way, on the same pairs and random maps."""

    def __init__(self, features: SelfTrainingFeatureNet, image: Tensor, label: Tensor) -> None:
        self.pair = {"fixed_image": image[:, :1], "moving_image": image[:, 1:], "pseudo_label": label}
        self.plain_pair = {**self.pair, "label": (label / extents(label)).flip(1)}
        self.augmentation = SelfTrainingBatch(reference=True)
        self.plain = copy.deepcopy(features)
        network = CoupledConvexNet(copy.deepcopy(features), [(8, 2)], training_stride=2, **RELEASED)
        self.network = place_network(network, image.device, channels_last=True).train()
        self.loss = RegistrationLoss({"field": [3.0, FieldError("pseudo_label", squared=False, margin=8)]})
        self.optimizers = {
            "plain": torch.optim.Adam(self.plain.parameters(), lr=1e-4),
            "ours": torch.optim.Adam(self.network.parameters(), lr=1e-4),
        }
        self.values: dict[str, list[float]] = {"plain": [], "ours": []}

    def run(self, name: str) -> None:
        """Augment, predict, compare, learn."""
        torch.manual_seed(len(self.values[name]))
        self.optimizers[name].zero_grad()
        loss = self.plain_loss() if name == "plain" else self.our_loss()
        loss.backward()
        self.optimizers[name].step()
        self.values[name].append(loss.item())

    def our_loss(self) -> Tensor:
        """As the bundle has it."""
        image, batch = self.augmentation(self.pair, self.pair["fixed_image"].device)
        loss: Tensor = self.loss(self.network(image), batch)
        return loss

    def plain_loss(self) -> Tensor:
        """As published, but in our unit: without the `n / (n - 1)` of its two ways to count."""
        order = [2, 1, 0, 3]
        first, second = (m[:, order][:, :, order] for m in self.augmentation.draw(len(self.pair["fixed_image"]), 3))
        fixed, moving, target = plain_augmentation(self.plain_pair, (first, second))
        self.plain.train()
        predicted = plain_upsample(plain_match(self.plain(fixed), self.plain(moving)), target.shape[2:])
        unit = 2 * extents(target).flip(1)
        difference = ((predicted - target) * unit)[..., 8:-8, 8:-8, 8:-8]
        return 1.5 * difference.norm(dim=1).mean()


def compare_labels(features: SelfTrainingFeatureNet, image: Tensor, repeats: int) -> None:
    """Print the medians for the label of one pair, and by what the labels differ."""
    refinements = [(2, ITERATIONS)]
    labeler = CoupledConvexNet(features, [(8, 2), (8, 2)], refinements=refinements, regularization=1.0, **RELEASED)
    cycle = SelfTrainingCycle(labeler.eval(), None, 1, 0.1, 0.1)  # type: ignore[arg-type]
    results: dict[str, Tensor] = {}

    def run(name: str) -> None:
        results[name] = plain_label(features, image)[0] if name == "plain" else cycle.label(image)[0]

    compare("pseudo label of a pair", run, repeats)
    plain = results["plain"].flip(0) * extents(results["plain"][None])[0]
    difference = (plain - results["ours"]).abs()
    typical = results["ours"].abs().mean()
    print(f"difference: mean {difference.mean():.1e}, of displacements of {typical:.2f} voxels of half the grid")


def main() -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(96, 80, 128), help="of the images")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    image = phantoms(tuple(arguments.shape), arguments.batch).to(arguments.device)
    features = SelfTrainingFeatureNet().to(arguments.device).eval()
    print(f"{arguments.threads} threads, {arguments.batch} pairs of {tuple(arguments.shape)}")
    compare_labels(features, image[:1], arguments.repeats)
    label = F.interpolate(
        2 * torch.randn(len(image), 3, 6, 5, 8), size=[n // 2 for n in image.shape[2:]], mode="trilinear"
    )
    step = Step(features, image, label.to(arguments.device))
    compare("training step", step.run, arguments.repeats)
    print("losses:", *(f"{name} {', '.join(f'{v:.5f}' for v in values)}" for name, values in step.values.items()))


def phantoms(shape: tuple[int, ...], count: int) -> Tensor:
    """Torso phantoms and what smooth fields make of them, as the network sees them, `(count, 2, *shape)`."""
    pairs = [torso_phantom(shape, (4.0, 4.0, 4.0), maximum_displacement=12.0, seed=seed) for seed in range(count)]
    fixed = torch.stack([torch.as_tensor(pair.fixed_image).float().reshape(1, *shape) for pair in pairs])
    moving = warp(fixed, torch.stack([torch.as_tensor(pair.displacement).float().reshape(3, *shape) for pair in pairs]))
    return torch.cat([fixed, moving], dim=1) / 450 - 0.4


if __name__ == "__main__":
    main()
