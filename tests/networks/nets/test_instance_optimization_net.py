import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from common.networks.nets import CoupledConvexNet, InstanceOptimizationNet
from common.optimization import Guidance, GuidingPoints
from common.spatial import folding_percent, jacobian_determinant, warp


def pair() -> tuple[Tensor, Tensor]:
    """Fixed and moving image, and the field between them: a smooth one of up to two voxels."""
    generator = torch.Generator().manual_seed(0)
    moving = F.interpolate(torch.rand(1, 1, 8, 8, 8, generator=generator), size=(32, 32, 32), mode="trilinear")
    ddf = F.interpolate(4 * torch.rand(1, 3, 3, 3, 3, generator=generator) - 2, size=(32, 32, 32), mode="trilinear")
    return torch.cat([warp(moving, ddf), moving], dim=1), ddf


def error(field: Tensor, ddf: Tensor) -> float:
    return float((field - ddf)[:, :, 4:-4, 4:-4, 4:-4].norm(dim=1).mean())


@pytest.mark.parametrize("refinements", [[(1, 60)], [(2, 40), (1, 20)]])
def test_a_rough_field_is_made_better(refinements: list[tuple[int, int]]) -> None:
    image, ddf = pair()
    found = InstanceOptimizationNet(refinements=refinements)(image, displacement=0.6 * ddf)
    assert error(found, ddf) < 0.6 * error(0.6 * ddf, ddf)


def test_without_a_field_it_begins_at_none() -> None:
    image, ddf = pair()
    net = InstanceOptimizationNet(refinements=[(1, 10)])
    torch.testing.assert_close(net(image), net(image, displacement=torch.zeros_like(ddf)))


def test_without_steps_a_field_stays_and_its_folds_go() -> None:
    image, ddf = pair()
    net = InstanceOptimizationNet(refinements=[])
    torch.testing.assert_close(net(image, displacement=ddf), ddf)
    folded = 3 * torch.randn(ddf.shape, generator=torch.Generator().manual_seed(0))
    assert float(folding_percent(jacobian_determinant(folded, crop=0))) > 10
    assert float(folding_percent(jacobian_determinant(net(image, displacement=folded), crop=0))) < 0.1


def test_coupled_convex_net_refines_a_given_field_likewise() -> None:
    image, ddf = pair()
    steps = [(2, 5), (1, 3)]
    alone, coupled = (kind(refinements=steps).eval() for kind in (InstanceOptimizationNet, CoupledConvexNet))
    torch.testing.assert_close(coupled(image, displacement=0.6 * ddf), alone(image, displacement=0.6 * ddf))


def test_points_and_labels_steer_it_from_a_given_field() -> None:
    """Both images are flat; the field is half the way."""
    image, half = torch.full((1, 2, 24, 24, 24), 0.5), torch.zeros(1, 3, 24, 24, 24)
    half[:, 0] = 1.0
    block = torch.zeros(1, 1, 24, 24, 24)
    block[..., 8:16, 8:16, 8:16] = 30
    points = GuidingPoints(torch.full((1, 3), 12.0), torch.tensor([[14.0, 12, 12]]))
    net = InstanceOptimizationNet(refinements=[(1, 60)])
    assert float(net(image, Guidance(points=points), half)[0, 0, 12, 12, 12]) == pytest.approx(2, abs=0.2)
    moved = block.roll(2, dims=2)
    drawn = net(image, Guidance(block, moved), half)
    before, after = ((warp(moved, field) - block).abs().mean() for field in (half, drawn))
    assert after < 0.5 * before


def test_mutual_information_brings_a_field_nearer() -> None:
    image, ddf = pair()
    errors = [
        error(InstanceOptimizationNet(refinements=[(1, 20)], information=weight)(image, displacement=0.6 * ddf), ddf)
        for weight in (0.0, 12.0)
    ]
    assert errors[1] < 0.9 * errors[0]


def test_bad_arguments_raise() -> None:
    image, ddf = pair()
    net = InstanceOptimizationNet()
    with pytest.raises(ValueError, match=r"InstanceOptimizationNet\(\) expects 'image' of shape \(1, 2, 32, 32, 32\)"):
        net(image[:, :1])
    with pytest.raises(
        ValueError, match=r"expects 'displacement' of shape \(1, 3, 32, 32, 32\), got \(1, 3, 16, 16, 16\)"
    ):
        net(image, displacement=ddf[..., ::2, ::2, ::2])


def test_export_is_refused_in_a_sentence() -> None:
    net = InstanceOptimizationNet()
    for export in (lambda: torch.jit.script(net), lambda: torch.jit.trace(net, pair()[0])):
        with pytest.raises(TypeError, match=r"InstanceOptimizationNet fits each pair by gradient descent or"):
            export()
