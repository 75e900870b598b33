"""Coupled convex optimization: parity with the released code of paper 003, and what must hold for any cost."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from common.optimization import (
    REFERENCE,
    correlation_volume,
    coupled_convex,
    displacement_candidates,
    upsample_displacement,
)

Oracle = Callable[[str], dict[str, np.ndarray]]


def radius_of(count: int) -> int:
    return (round(count ** (1 / 3)) - 1) // 2


def test_coupled_convex_equals_released_code(oracle: Oracle) -> None:
    recorded = oracle("003_coupled_convex")
    fixed, moving = 5 * torch.tensor(recorded["feat_fix"]), 5 * torch.tensor(recorded["feat_mov"])
    radius = radius_of(recorded["cost"].shape[1])
    cost = correlation_volume(fixed, moving, radius)
    np.testing.assert_allclose(cost.numpy(), recorded["cost"], atol=1e-5)
    np.testing.assert_array_equal(displacement_candidates(radius, 3).T.numpy(), recorded["disp_mesh"].reshape(3, -1))
    np.testing.assert_allclose(coupled_convex(cost, radius, scheme=REFERENCE).numpy(), recorded["disp_soft"], atol=1e-5)
    backward = coupled_convex(correlation_volume(moving, fixed, radius), radius, scheme=REFERENCE)
    np.testing.assert_allclose(backward.numpy(), recorded["disp_soft_backward"], atol=1e-5)


def test_coupled_convex_equals_equation() -> None:
    """Against the equation as it stands, with the squared distances to every candidate."""
    cost = torch.rand(2, 27, 4, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    candidates = displacement_candidates(1, 3, torch.float64)[None, :, :, None, None, None]  # (1, K, d, 1, 1, 1)

    def expectation(energy: Tensor) -> Tensor:
        return (torch.softmax(-12.0 * energy, 1)[:, :, None] * candidates).sum(1)

    expected = expectation(cost)
    for theta in (0.1, 0.7):
        distance = (candidates - expected[:, None]).square().sum(2)
        expected = torch.nn.functional.avg_pool3d(expectation(cost + theta * distance), 3, 1, 1)
    ddf = coupled_convex(cost, 1, couplings=(0.1, 0.7), sharpness=12.0, scheme=REFERENCE)
    torch.testing.assert_close(ddf, expected)


@pytest.mark.parametrize(
    ("shape", "shift"),
    [((14, 12, 11), (1, -2, 0)), ((12, 16, 11), (0, 2, -1)), ((15, 19), (-2, 1)), ((18, 16), (3, -3))],
)
def test_coupled_convex_recovers_integer_shift(shape: tuple[int, ...], shift: tuple[int, ...]) -> None:
    radius = max(map(abs, shift))
    axes = tuple(range(2, len(shape) + 2))
    fixed = 5 * torch.randn(1, 4, *shape, generator=torch.Generator().manual_seed(1))
    ddf = coupled_convex(correlation_volume(fixed, fixed.roll(shift, axes), radius), radius)
    inner: Any = (..., *[slice(radius + 2, -radius - 2)] * len(shape))
    interior = ddf[inner]
    assert interior.numel() > 0
    expected = torch.tensor(shift, dtype=ddf.dtype).view(1, -1, *[1] * len(shape)).expand_as(interior)
    torch.testing.assert_close(interior, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", [(5, 6, 7), (6, 5)])
@pytest.mark.parametrize("radius", [1, 2, 3])
def test_coupled_convex_of_zero_features_is_zero(shape: tuple[int, ...], radius: int) -> None:
    features = torch.zeros(2, 3, *shape)
    ddf = coupled_convex(correlation_volume(features, features, radius), radius)
    assert ddf.shape == (2, len(shape), *shape)
    torch.testing.assert_close(ddf, torch.zeros_like(ddf), atol=1e-5, rtol=0)


def test_coupled_convex_border_shrinks_only_as_released() -> None:
    """A cost with one good candidate everywhere: zeros around the grid pull the released field down at the border."""
    candidates = displacement_candidates(1, 3)
    cost = 10 * (candidates != torch.tensor([1.0, 0.0, 0.0])).any(1).float().view(1, -1, 1, 1, 1).expand(1, -1, 4, 5, 6)
    torch.testing.assert_close(coupled_convex(cost, 1)[0, 0], torch.ones(4, 5, 6))
    assert coupled_convex(cost, 1, scheme=REFERENCE)[0, 0, 0, 0, 0] < 0.5


def test_coupled_convex_has_gradient() -> None:
    cost = torch.rand(1, 9, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert torch.autograd.gradcheck(lambda c: coupled_convex(c, 1), cost.requires_grad_())


def test_gradients_equal_released_code(oracle: Oracle) -> None:
    """The training loss of the paper through correlation, optimization and upsampling, down to both feature maps."""
    recorded = oracle("003_training_loss")
    fixed, moving = (torch.tensor(recorded[key]).requires_grad_() for key in ("feat_fix", "feat_mov"))
    target = torch.tensor(recorded["target_half"])
    shape, radius = target.shape[2:], 2
    ddf = coupled_convex(correlation_volume(5 * fixed, 5 * moving, radius), radius, scheme=REFERENCE)
    half = upsample_displacement(ddf, shape, shape[0] / fixed.shape[2], scheme=REFERENCE)
    prediction = (half / torch.tensor([(n - 1) / 2 for n in shape]).view(-1, 1, 1, 1)).flip(1)
    extents = torch.tensor([8 * n / 2 for n in reversed(fixed.shape[2:])]).view(-1, 1, 1, 1)
    difference = ((prediction - target) * extents)[..., 8:-8, 8:-8, 8:-8]
    loss = 1.5 * difference.square().sum(1).sqrt().mean()
    loss.backward()
    np.testing.assert_allclose(loss.item(), recorded["loss"], rtol=1e-4)
    for features, key in ((fixed, "grad_fix"), (moving, "grad_mov")):
        assert features.grad is not None
        scale = np.abs(recorded[key]).max()
        np.testing.assert_allclose(features.grad.numpy(), recorded[key], atol=1e-4 * scale)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 124, 5, 6, 7), r"coupled_convex\(\) expects 'cost' of shape \(1, 125, 5, 6, 7\), got \(1, 124, 5, 6, 7\)"),
        ((1, 125, 5, 6), r"coupled_convex\(\) expects 'cost' of shape \(1, 25, 5, 6\), got \(1, 125, 5, 6\)"),
        ((125, 5, 6), r"coupled_convex\(\) expects 'cost' of shape \(B, C, H, W\) or .*, got \(125, 5, 6\)"),
    ],
)
def test_coupled_convex_raises(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        coupled_convex(torch.zeros(shape), 2)
