import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from common.engines import InstanceOptimizationInferer, TestTimeAugmentationInferer
from common.optimization import Guidance, GuidingPoints
from common.spatial import warp


def pair() -> tuple[Tensor, Tensor]:
    """Fixed and moving image, and the field between them: a smooth one of up to two voxels."""
    generator = torch.Generator().manual_seed(0)
    moving = F.interpolate(torch.rand(1, 1, 8, 8, 8, generator=generator), size=(32, 32, 32), mode="trilinear")
    ddf = F.interpolate(4 * torch.rand(1, 3, 3, 3, 3, generator=generator) - 2, size=(32, 32, 32), mode="trilinear")
    return torch.cat([warp(moving, ddf), moving], dim=1), ddf


def test_no_iterations_are_the_network() -> None:
    image, ddf = pair()
    assert InstanceOptimizationInferer()(image, lambda image: ddf) is ddf


@pytest.mark.parametrize("stride", [1, 2])
def test_a_rough_answer_is_made_better(stride: int) -> None:
    image, ddf = pair()
    answer = 0.6 * ddf
    better, alone = InstanceOptimizationInferer(60, stride)(image, lambda image: answer).chunk(2, dim=1)
    assert torch.equal(alone, answer)
    inner = (slice(None), slice(None), *[slice(4, -4)] * 3)
    before, after = ((field - ddf)[inner].norm(dim=1).mean() for field in (answer, better))
    assert after < 0.7 * before


def test_channels_are_described_one_by_one() -> None:
    """One that says the same a second time changes nothing."""
    image, ddf = pair()
    answers = [
        InstanceOptimizationInferer(5)(channels, lambda image: 0.6 * ddf)
        for channels in (image, image.repeat_interleave(2, dim=1))
    ]
    torch.testing.assert_close(*answers, atol=1e-4, rtol=0)


def test_negative_iterations_raise() -> None:
    with pytest.raises(ValueError, match=r"expects 'iterations' of 0 or more, got -1"):
        InstanceOptimizationInferer(-1)


def test_another_inferer_asks_the_network() -> None:
    image, ddf = pair()
    inner = TestTimeAugmentationInferer(samples=2, residual_weight=0.0)
    both = InstanceOptimizationInferer(1, inferer=inner)(image, lambda image: ddf)
    torch.testing.assert_close(both[:, 3:], inner(image, lambda image: ddf))


def test_points_and_labels_steer_the_optimization() -> None:
    """Both images are flat, and the network sees nothing."""
    image, answer = torch.full((1, 2, 24, 24, 24), 0.5), torch.zeros(1, 3, 24, 24, 24)
    block = torch.zeros(1, 1, 24, 24, 24)
    block[..., 8:16, 8:16, 8:16] = 30
    labels = Guidance(block, block.roll(1, dims=2))
    points = Guidance(points=GuidingPoints(torch.full((1, 3), 12.0), torch.tensor([[13.0, 12, 12]])))
    for guidance, way in ((labels, 0.5), (points, 0.7)):
        ddf = InstanceOptimizationInferer(60)(image, lambda image: answer, guidance=guidance)
        assert way < float(ddf[0, 0, 12, 12, 12]) < 1.3


def test_nothing_is_steered_without_an_optimization() -> None:
    image, ddf = pair()
    with pytest.raises(ValueError, match=r"guides its optimization: set --instance_iterations"):
        InstanceOptimizationInferer()(image, lambda image: ddf, guidance=Guidance())


@pytest.mark.parametrize("channels", [1, 2])
def test_mutual_information_brings_an_answer_nearer(channels: int) -> None:
    image, ddf = pair()
    image = image.repeat_interleave(channels, dim=1)
    errors = []
    for information in (0.0, 12.0):
        found = InstanceOptimizationInferer(20, information=information)(image, lambda image: 0.6 * ddf)[:, :3]
        errors.append(float((found - ddf)[:, :, 4:-4, 4:-4, 4:-4].norm(dim=1).mean()))
    assert errors[1] < 0.9 * errors[0]
