import pytest
import torch
from torch import Tensor

from common.engines import TestTimeAugmentationInferer
from common.spatial import compose, warp


class Matcher(torch.nn.Module):
    """Answers with a shift that depends on the moving scan's center of mass, as a perfect translation finder would."""

    def forward(self, image: Tensor) -> Tensor:
        fixed, moving = image.chunk(2, dim=1)
        shift = self._center(moving) - self._center(fixed)
        return shift.view(len(image), -1, 1, 1).expand(len(image), 2, *image.shape[2:])

    def _center(self, image: Tensor) -> Tensor:
        rows, columns = (torch.arange(float(n)) for n in image.shape[2:])
        mass = image.sum(dim=(1, 2, 3))
        i = (image.sum(dim=(1, 3)) * rows).sum(1) / mass
        j = (image.sum(dim=(1, 2)) * columns).sum(1) / mass
        return torch.stack([i, j], dim=1)


def blob(i: float, j: float) -> Tensor:
    grid = torch.stack(torch.meshgrid(torch.arange(32.0), torch.arange(36.0), indexing="ij"))
    distance = (grid - torch.tensor([i, j]).view(2, 1, 1)).square().sum(0)
    return torch.exp(-distance / 8)[None, None]


def test_one_sample_is_the_network() -> None:
    image = torch.cat([blob(15, 17), blob(18, 15)], dim=1)
    assert torch.equal(TestTimeAugmentationInferer(1)(image, Matcher()), Matcher()(image))


def test_poses_are_taken_back_from_the_answers() -> None:
    """Every answer brings the center of the blob onto itself, and so does their mean: at the center it is exact."""
    image = torch.cat([blob(15, 17), blob(18, 15)], dim=1).expand(2, -1, -1, -1)
    ddf = TestTimeAugmentationInferer(6)(image, Matcher())
    assert ddf.shape == (2, 2, 32, 36)
    torch.testing.assert_close(ddf[0, :, 15, 17], torch.tensor([3.0, -2.0]), atol=0.05, rtol=0)
    assert (warp(image[:, 1:], ddf) - image[:, :1]).abs().mean() < 0.01


def test_average_is_that_of_composed_fields() -> None:
    inferer = TestTimeAugmentationInferer(2, seed=3)
    seen = []

    def network(image: Tensor) -> Tensor:
        seen.append(image)
        return torch.full((1, 2, 32, 36), float(len(seen)))

    image = torch.cat([blob(15, 17), blob(18, 15)], dim=1)
    ddf = inferer(image, network)
    pose = inferer._poses(2)[0].float()
    grid = torch.stack(torch.meshgrid(torch.arange(32.0), torch.arange(36.0), indexing="ij"))
    middle = torch.tensor([15.5, 17.5]).view(2, 1, 1)
    there = torch.einsum("ij,jhw->ihw", pose[:2, :2], grid - middle) + pose[:2, 2].view(2, 1, 1) + middle - grid
    torch.testing.assert_close(seen[1][:, 1:], warp(image[:, 1:], there[None], padding="zeros"), atol=1e-5, rtol=0)
    expected = (torch.ones(1, 2, 32, 36) + compose(2 * torch.ones(1, 2, 32, 36), there[None])) / 2
    torch.testing.assert_close(ddf, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("weight", "expected"), [(0.0, 0.5), (0.5, 0.625), (1.0, 0.75)])
def test_share_of_what_is_left_is_added(weight: float, expected: float) -> None:
    """A network that finds half of every shift finds a quarter of the first one in what it left."""
    image = torch.cat([blob(15, 17), blob(18, 15)], dim=1)
    matcher = Matcher()
    ddf = TestTimeAugmentationInferer(1, residual_weight=weight)(image, lambda pair: matcher(pair) / 2)
    torch.testing.assert_close(ddf[0, :, 15, 17], expected * torch.tensor([3.0, -2.0]), atol=0.01, rtol=0)


def test_three_dimensions() -> None:
    assert (
        TestTimeAugmentationInferer(3)(torch.rand(1, 2, 8, 9, 10), lambda x: x.new_zeros(1, 3, 8, 9, 10)).shape[1] == 3
    )


def test_no_samples_raise() -> None:
    with pytest.raises(ValueError, match="'samples' of 1 or more, got 0"):
        TestTimeAugmentationInferer(0)


def test_more_than_is_left_raises() -> None:
    with pytest.raises(ValueError, match="'residual_weight' from 0 to 1, got 2"):
        TestTimeAugmentationInferer(residual_weight=2)
