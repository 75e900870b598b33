"""The registration of points against the authors' network, and what holds for any features."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from common.networks.nets import PointFeatureNet, PointRegistrationNet, join_clouds

Oracle = Callable[[str], dict[str, np.ndarray]]


def load_recorded(recorded: dict[str, np.ndarray]) -> PointFeatureNet:
    """Weights of convolutions of one place are those of linear layers."""
    weights = {}
    for block in range(3):
        for layer in range(3):
            weights[f"edges.{block}.layers.{layer}.weight"] = recorded[f"w_conv{block + 1}__conv__{3 * layer}__weight"]
    weights |= {"hidden.weight": recorded["w_conv4__0__weight"], "last.weight": recorded["w_conv4__2__weight"]}
    tensors = {name: torch.tensor(array).reshape(array.shape[:2]) for name, array in weights.items()}
    net = PointFeatureNet()
    net.load_state_dict(tensors | {"last.bias": torch.tensor(recorded["w_conv4__2__bias"])})
    return net.eval()


def shifted(points: int = 300, shift: tuple[float, ...] = (0.1, -0.05, 0.02)) -> tuple[Tensor, Tensor, Tensor]:
    """A cloud, the same in another order and elsewhere, and the displacement."""
    torch.manual_seed(0)
    cloud, step = torch.rand(1, points, 3) * 2 - 1, torch.tensor(shift)
    return cloud, cloud[:, torch.randperm(points)] + step, step.expand(1, points, 3)


def test_point_feature_net_equals_released_code(oracle: Oracle) -> None:
    recorded = oracle("003_pointcloud_lbp")
    net = load_recorded(recorded)
    for side, neighbors in (("fixed", 10), ("moving", 40)):
        features = net(torch.tensor(recorded[f"kpts_{side}"][0]), neighbors)
        np.testing.assert_allclose(features.detach(), recorded[f"feat_{side}"][0], atol=1e-4)


def test_point_registration_net_equals_released_code(oracle: Oracle) -> None:
    recorded = oracle("003_pointcloud_lbp")
    net = PointRegistrationNet(load_recorded(recorded)).eval()
    with torch.no_grad():
        displacement = net(join_clouds(*(torch.tensor(recorded[f"kpts_{side}"]) for side in ("fixed", "moving"))))
    error = (displacement - torch.tensor(recorded["disp_pred"])).abs()
    # The rest is the rounding of the released beliefs, see the tests of belief propagation.
    assert (error < 1e-4).float().mean() > 0.95
    assert error.mean() < 1e-4


def test_point_registration_net_finds_a_shift_with_untrained_features() -> None:
    """The graphs of both clouds are the same but for the shift; with 10 neighbors in both their features are."""
    fixed, moving, expected = shifted()
    torch.manual_seed(1)
    net = PointRegistrationNet(moving_neighbors=10, sharpness=1000.0).eval()
    with torch.no_grad():
        displacement = net(join_clouds(fixed, moving))
    assert (displacement - expected).norm(dim=2).mean() < 0.1 * expected.norm(dim=2).mean()


def test_point_registration_net_of_a_batch_is_that_of_its_pairs() -> None:
    torch.manual_seed(0)
    net, fixed, moving = PointRegistrationNet(candidates=16).eval(), torch.rand(2, 40, 3), torch.rand(2, 60, 3)
    alone = torch.cat([net(join_clouds(fixed[i : i + 1], moving[i : i + 1])) for i in range(2)])
    torch.testing.assert_close(net(join_clouds(fixed, moving)), alone)


def test_point_registration_net_trains_its_features() -> None:
    fixed, moving, expected = shifted(80)
    moving = moving + 0.03 * torch.randn_like(moving)
    torch.manual_seed(0)
    net = PointRegistrationNet(candidates=32, iterations=1, sharpness=2.0)  # features alone, in the softmax's reach
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    errors = []
    for _ in range(12):
        error = (net(join_clouds(fixed, moving)) - expected).norm(dim=2).mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        errors.append(error.item())
    assert errors[-1] < 0.7 * errors[0]


def test_point_registration_net_passes_gradients_through_beliefs() -> None:
    fixed, moving, expected = shifted(80)
    torch.manual_seed(0)
    net = PointRegistrationNet(candidates=32, sharpness=2.0)
    (net(join_clouds(fixed, moving + 0.03 * torch.randn_like(moving))) - expected).norm(dim=2).mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert name == "features.last.bias" or parameter.grad.abs().sum() > 0


def test_point_registration_net_of_a_batch_has_the_gradients_of_its_pairs() -> None:
    torch.manual_seed(0)
    net = PointRegistrationNet(candidates=16, sharpness=2.0)
    clouds = join_clouds(torch.rand(2, 40, 3), torch.rand(2, 60, 3))
    together = torch.autograd.grad(net(clouds).square().sum(), list(net.parameters()))
    losses = net(clouds[:1]).square().sum() + net(clouds[1:]).square().sum()
    alone = torch.autograd.grad(losses, list(net.parameters()))
    for first, second in zip(together, alone, strict=True):
        torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-3)


def test_point_registration_net_compares_fewer_candidates_in_training() -> None:
    torch.manual_seed(0)
    features, clouds = PointFeatureNet(), join_clouds(torch.rand(1, 40, 3), torch.rand(1, 60, 3))
    nets = [PointRegistrationNet(features, *(10, 40), *counts) for counts in ((16, 8), (16, None), (8, None))]
    with torch.no_grad():
        torch.testing.assert_close(nets[0].eval()(clouds), nets[1](clouds))
        torch.testing.assert_close(nets[0].train()(clouds), nets[2](clouds))


def test_point_registration_net_takes_fewer_points_than_neighbors() -> None:
    assert PointRegistrationNet()(join_clouds(torch.rand(1, 6, 3), torch.rand(1, 7, 3))).isfinite().all()


@pytest.mark.parametrize(
    ("clouds", "message"),
    [
        (torch.zeros(5, 4), r"expects 'clouds' of shape \(B, N \+ M, 4\), got \(5, 4\)"),
        (torch.zeros(1, 5, 3), r"expects 'clouds' of shape \(B, N \+ M, 4\), got \(1, 5, 3\)"),
        (torch.zeros(1, 5, 4), "as many moving points in 'clouds', got 0 moving ones of 5"),
        (
            torch.tensor([[[0.0] * 4, [1.0] * 4, [1.0] * 4], [[0.0] * 4, [0.0] * 4, [1.0] * 4]]),
            "got 2, 1 moving ones of 3",
        ),
    ],
)
def test_point_registration_net_raises(clouds: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PointRegistrationNet()(clouds)
