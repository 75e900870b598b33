"""The fast distance of feature maps against `grid_sample` and numerical derivatives."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from common.optimization import EXACT, REFERENCE, FeatureDistance, Scheme, feature_distance, parts_of
from common.spatial import warp

ZEROS = replace(EXACT, padding="zeros")
SHAPES = [(1, 3, 5, 6, 7), (2, 4, 4, 6, 5), (2, 3, 6, 5)]


def random_case(shape: tuple[int, ...], largest: float = 2.0, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Fixed and moving features, and a field that leaves the grid here and there."""
    generator = torch.Generator().manual_seed(seed)
    fixed, moving = torch.randn(2, *shape, generator=generator, dtype=torch.float64)
    field = torch.randn(shape[0], len(shape) - 2, *shape[2:], generator=generator, dtype=torch.float64)
    return fixed, moving, largest * field


def plain_distance(fixed: Tensor, moving: Tensor, ddf: Tensor, padding: str) -> Tensor:
    return (warp(moving, ddf, padding=padding) - fixed).square().mean()


def as_on_another_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the table that is for a CPU."""
    monkeypatch.setattr(feature_distance, "_Table", lambda *_: None)


def value_and_slope(distance: FeatureDistance, ddf: Tensor) -> tuple[Tensor, Tensor]:
    ddf = ddf.clone().requires_grad_()
    value = distance(ddf)
    return value.detach(), torch.autograd.grad(value, ddf)[0]


@pytest.mark.parametrize("scheme", [EXACT, ZEROS])
@pytest.mark.parametrize("shape", SHAPES)
def test_feature_distance_equals_grid_sample(shape: tuple[int, ...], scheme: Scheme) -> None:
    fixed, moving, ddf = random_case(shape)
    ddf.requires_grad_()
    distance = FeatureDistance(fixed, moving, scheme)(ddf)
    expected = plain_distance(fixed, moving, ddf, scheme.padding)
    torch.testing.assert_close(distance, expected)
    gradients = [torch.autograd.grad(3 * value, ddf)[0] for value in (distance, expected)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("shape", SHAPES)
def test_feature_distance_released_equals_grid_sample_of_other_alignment(shape: tuple[int, ...]) -> None:
    fixed, moving, ddf = random_case(shape)
    ddf.requires_grad_()
    sizes = torch.tensor(shape[2:]).view(-1, *[1] * (len(shape) - 2))
    normalized = (2 * REFERENCE.places(ddf) + 1) / sizes - 1
    warped = F.grid_sample(moving, normalized.flip(1).movedim(1, -1), align_corners=False)
    expected = (warped - fixed).square().mean()
    distance = FeatureDistance(fixed, moving, scheme=REFERENCE)(ddf)
    torch.testing.assert_close(distance, expected)
    torch.testing.assert_close(torch.autograd.grad(distance, ddf), torch.autograd.grad(expected, ddf))


@pytest.mark.parametrize("shape", SHAPES)
def test_feature_distance_of_known_voxels_alone(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]) -> None:
    monkeypatch.setattr(feature_distance, "CHUNK", 7)
    fixed, moving, ddf = random_case(shape)
    ddf.requires_grad_()
    known = (torch.rand(shape[0], 1, *shape[2:], generator=torch.Generator().manual_seed(1)) > 0.4).double()
    distance = FeatureDistance(fixed, moving, known=known)(ddf)
    expected = ((warp(moving, ddf, padding=EXACT.padding) - fixed).square() * known).mean()
    torch.testing.assert_close(distance, expected)
    torch.testing.assert_close(torch.autograd.grad(distance, ddf), torch.autograd.grad(expected, ddf))


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_feature_distance_of_parts_is_that_of_the_whole(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], hidden: bool, elsewhere: bool
) -> None:
    """Each part has the mean over its own voxels, and the gradient there."""
    if elsewhere:
        as_on_another_device(monkeypatch)
    fixed, moving, ddf = random_case(shape)
    known = (torch.rand(shape[0], 1, *shape[2:], generator=torch.Generator().manual_seed(1)) > 0.4) if hidden else None
    distance = FeatureDistance(fixed, moving, known=known)
    ddf.requires_grad_()
    parts = parts_of(shape[2:], 10)
    assert len(parts) > 1
    sums = [part.of(fixed)[0].numel() * distance.of_samples(part.of(ddf), part) for part in parts]
    total = torch.stack(sums).sum(0) / fixed[0].numel()
    expected = distance.of_samples(ddf)
    torch.testing.assert_close(total, expected)
    torch.testing.assert_close(torch.autograd.grad(total.sum(), ddf), torch.autograd.grad(expected.sum(), ddf))


def test_feature_distance_of_nothing_known_is_zero() -> None:
    fixed, moving, ddf = random_case(SHAPES[0])
    distance = FeatureDistance(fixed, moving, known=torch.zeros_like(fixed[:, :1]))(ddf.requires_grad_())
    assert distance == 0
    assert not torch.autograd.grad(distance, ddf)[0].any()


@pytest.mark.parametrize("shape", SHAPES)
def test_feature_distance_passes_gradcheck(shape: tuple[int, ...]) -> None:
    fixed, moving, ddf = random_case(shape)
    assert torch.autograd.gradcheck(FeatureDistance(fixed, moving), ddf.requires_grad_())


@pytest.mark.parametrize("shape", SHAPES)
def test_feature_distance_does_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]) -> None:
    fixed, moving, ddf = random_case(shape)
    whole = value_and_slope(FeatureDistance(fixed, moving), ddf)
    monkeypatch.setattr(feature_distance, "CHUNK", 7)
    torch.testing.assert_close(value_and_slope(FeatureDistance(fixed, moving), ddf), whole)


@pytest.mark.parametrize("scheme", [EXACT, ZEROS, REFERENCE])
@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_other_devices_compute_is_the_same(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], hidden: bool, scheme: Scheme
) -> None:
    fixed, moving, ddf = random_case(shape)
    known = (torch.rand(shape[0], 1, *shape[2:], generator=torch.Generator().manual_seed(1)) > 0.4) if hidden else None
    distance = FeatureDistance(fixed, moving, scheme, known)
    expected = value_and_slope(distance, ddf)
    as_on_another_device(monkeypatch)
    torch.testing.assert_close(value_and_slope(FeatureDistance(fixed, moving, scheme, known), ddf), expected)


def test_feature_distance_of_shift_by_hand() -> None:
    """One channel, four voxels in a row, a shift by half a voxel: each looks between itself and the next."""
    moving = torch.tensor([0.0, 2.0, 6.0, 10.0]).view(1, 1, 1, 4)
    ddf = torch.tensor([0.0, 0.5]).view(1, 2, 1, 1).expand(1, 2, 1, 4).clone().requires_grad_()
    distance = FeatureDistance(torch.zeros(1, 1, 1, 4), moving, ZEROS)(ddf)
    assert distance.item() == (1.0 + 16 + 64 + 25) / 4  # the last one between 10 and the zero outside
    (gradient,) = torch.autograd.grad(distance, ddf)
    torch.testing.assert_close(gradient[0, 1, 0], torch.tensor([1.0 * 2, 4 * 4, 8 * 4, 5 * -10]) / 2)


def test_feature_distance_far_outside_has_no_gradient() -> None:
    fixed, moving, ddf = random_case((1, 3, 5, 6, 7))
    distance, gradient = value_and_slope(FeatureDistance(fixed, moving, ZEROS), torch.full_like(ddf, 50.0))
    torch.testing.assert_close(distance, fixed.square().mean())
    assert not gradient.any()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_feature_distance_of_inference_tensors_has_gradient(monkeypatch: pytest.MonkeyPatch, elsewhere: bool) -> None:
    if elsewhere:
        as_on_another_device(monkeypatch)
    with torch.inference_mode():
        fixed, moving, ddf = random_case((1, 1, 5, 6, 7))
    distance = FeatureDistance(fixed, moving)
    assert value_and_slope(distance, ddf)[1].abs().max() > 0


@pytest.mark.parametrize(
    ("moving", "ddf", "message"),
    [
        ((1, 3, 5, 6, 7), (1, 3, 5, 6, 7), r"expects 'moving_features' of shape \(1, 2, 5, 6, 7\)"),
        ((1, 2, 5, 6, 7), (1, 3, 5, 6, 8), r"expects 'ddf' of shape \(1, 3, 5, 6, 7\), got \(1, 3, 5, 6, 8\)"),
        ((1, 2, 5, 6, 7), (1, 2, 5, 6, 7), r"FeatureDistance\(\) expects 'ddf' of shape \(1, 3, 5, 6, 7\)"),
    ],
)
def test_feature_distance_raises(moving: tuple[int, ...], ddf: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FeatureDistance(torch.zeros(1, 2, 5, 6, 7), torch.zeros(moving))(torch.zeros(ddf))


def test_known_of_another_shape_is_refused() -> None:
    features = torch.zeros(1, 2, 5, 6, 7)
    with pytest.raises(ValueError, match=r"expects 'known' of shape \(1, 1, 5, 6, 7\), got \(1, 1, 5, 6, 8\)"):
        FeatureDistance(features, features, known=torch.ones(1, 1, 5, 6, 8))
