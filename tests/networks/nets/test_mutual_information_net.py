"""Registration by mutual information: pairs whose gray values mean different things, and what steers it besides."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from common.networks.nets import InstanceOptimizationNet, MutualInformationNet
from common.optimization import Guidance, GuidingPoints
from common.spatial import folding_percent, jacobian_determinant, warp

INNER = (slice(None), slice(None), slice(6, -6), slice(6, -6))


def pair(*shape: int) -> tuple[Tensor, Tensor]:
    """Fixed and moving image of two contrasts, and the smooth field between them, up to three voxels."""
    generator = torch.Generator().manual_seed(0)
    mode = "trilinear" if len(shape) == 3 else "bilinear"
    noise = torch.rand(1, 1, *(size // 4 for size in shape), generator=generator)
    image = F.interpolate(noise, size=shape, mode=mode)
    ddf = F.interpolate(
        6 * torch.rand(1, len(shape), *[3] * len(shape), generator=generator) - 3, size=shape, mode=mode
    )
    return torch.cat([warp(image, ddf), (3 * image - 1.5).abs()], dim=1), ddf


@pytest.mark.parametrize("shape", [(40, 36, 44), (60, 72)])
def test_a_field_between_two_contrasts_is_found(shape: tuple[int, ...]) -> None:
    image, ddf = pair(*shape)
    with torch.no_grad():
        found = MutualInformationNet(regularization=100.0).eval()(image)
    before, after = (field[INNER].norm(dim=1).mean() for field in (ddf, found - ddf))
    assert after < 0.5 * before
    assert float(folding_percent(jacobian_determinant(found))) == 0


def test_a_scan_against_its_negative_stays() -> None:
    image = pair(40, 36, 44)[0][:, :1]
    with torch.no_grad():
        found = MutualInformationNet().eval()(torch.cat([image, 1 - image], dim=1))
    assert found.norm(dim=1).max() < 0.25  # of 4: at the coarsest stride there are a thousand voxels


def test_surroundings_that_were_not_scanned_hardly_count() -> None:
    """With fields of view, what is filled in around them changes the field far less than without."""
    image, _ = pair(40, 36, 44)
    seen = torch.zeros_like(image[:, :1])
    seen[:, :, 4:-4, 4:-4, 4:-4] = 1
    net, changes = MutualInformationNet().eval(), []
    for view in (seen, torch.ones_like(seen)):
        fields = []
        for value in (0.0, 1.0):
            fixed, moving = (torch.where(seen > 0, channel, value) for channel in image.split(1, dim=1))
            with torch.no_grad():
                fields.append(net(torch.cat([fixed, view, moving, view], dim=1)))
        changes.append((fields[0] - fields[1])[..., 8:-8, 8:-8, 8:-8].norm(dim=1).mean())
    assert changes[0] < 0.5 * changes[1]


def test_points_and_labels_steer_it() -> None:
    """Both images are flat."""
    image = torch.full((1, 2, 32, 32, 32), 0.5)
    points = GuidingPoints(torch.tensor([[16.0, 16, 16]]), torch.tensor([[18.0, 16, 16]]))
    fixed, moving = torch.zeros(2, 1, 1, 32, 32, 32)
    fixed[:, :, 8:24, 8:24, 8:24] = 30
    moving[:, :, 10:26, 8:24, 8:24] = 30
    net = MutualInformationNet().eval()
    with torch.no_grad():
        led, drawn = net(image, Guidance(points=points)), net(image, Guidance(fixed, moving))
    assert float(led[0, 0, 16, 16, 16]) == pytest.approx(2, abs=0.5)
    before, after = ((warp(moving, field) - fixed).abs().mean() for field in (torch.zeros_like(drawn), drawn))
    assert after < 0.4 * before


def test_net_is_one_of_registration_and_says_what_it_expects() -> None:
    assert isinstance(MutualInformationNet(), InstanceOptimizationNet)
    with pytest.raises(
        ValueError, match=r"MutualInformationNet\(\) expects 'image' of shape \(1, 2, 8, 8\), got \(1, 1, 8, 8\)"
    ):
        MutualInformationNet()(torch.zeros(1, 1, 8, 8))
