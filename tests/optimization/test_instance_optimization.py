"""Instance optimization: parity with the released code of paper 003, and what it must do anywhere."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from common.features import mind_ssc
from common.optimization import REFERENCE, FeatureDistance, Part, adam_instance_optimization, bending, parts_of
from common.optimization.instance_optimization import ROUGHNESS_WEIGHT
from common.spatial import warp

Oracle = Callable[[str], dict[str, np.ndarray]]


def smooth_maps(shape: tuple[int, ...], channels: int = 4, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(1, channels, *[n // 3 for n in shape], generator=generator)
    return F.interpolate(coarse, size=shape, mode={2: "bilinear", 3: "trilinear"}[len(shape)], align_corners=True)


@pytest.mark.parametrize("regularization", [1, 10])
def test_adam_instance_optimization_equals_released_code(
    oracle: Oracle, to_voxels: Callable[..., Tensor], regularization: int
) -> None:
    """The field within 1e-4 in normalized coordinates, and the terms of the loss along the way.

    A place that falls on the other side of a voxel by rounding alone changes the gradient there: in one of a dozen
    pairs this moved parts of the field by up to 8e-4. So the bound is on the mean, and a wider one on every voxel.
    """
    recorded = oracle("003_adam_instance")
    initial, losses = to_voxels(recorded["disp_init"]), []
    ddf = adam_instance_optimization(
        torch.tensor(recorded["feat_fix"]),
        torch.tensor(recorded["feat_mov"]),
        initial,
        iterations=len(recorded[f"loss_reg{regularization}"]),
        regularization=regularization,
        stride=initial.shape[2] / recorded["feat_fix"].shape[2],
        callback=lambda iteration, loss: losses.append(loss),
        scheme=REFERENCE,
    )
    extents = torch.tensor([(n - 1) / 2 for n in initial.shape[2:]]).view(-1, 1, 1, 1)
    error = (ddf - to_voxels(recorded[f"flow_reg{regularization}"])).abs() / extents
    assert error.mean() < 1e-4
    assert error.max() < 2e-3
    expected = recorded[f"loss_reg{regularization}"] + regularization * recorded[f"regloss_reg{regularization}"]
    np.testing.assert_allclose(losses[:10], expected[:10], rtol=1e-4)
    np.testing.assert_allclose(losses, expected, rtol=2e-3)


def test_adam_instance_optimization_equals_convexadam(oracle: Oracle) -> None:
    """Of MIND, at half resolution; convexAdam does not smooth once more in the end, so its field is smoothed here."""
    recorded = oracle("convexadam_mind")
    images = (torch.tensor(recorded[side])[None, None] for side in ("fixed", "moving"))
    start, expected = (
        torch.tensor(recorded[f"disp_vox_{moment}"]).movedim(-1, 0)[None] for moment in ("noadam", "adam20")
    )
    fixed, moving = (F.avg_pool3d(mind_ssc(image, 1, 2), 2) for image in images)
    ddf = adam_instance_optimization(fixed, moving, start, 20, regularization=1.25 / ROUGHNESS_WEIGHT, scheme=REFERENCE)
    np.testing.assert_allclose(ddf.numpy(), REFERENCE.smooth(expected, 3).numpy(), atol=2e-3)


@pytest.mark.parametrize("shape", [(12, 14, 16), (16, 18)])
def test_adam_instance_optimization_recovers_shift(shape: tuple[int, ...]) -> None:
    moving = smooth_maps(shape)
    shift = torch.full((1, len(shape), *[2 * n for n in shape]), 2.0)  # a voxel of the features is two of the image
    every_second: Any = (..., *[slice(None, None, 2)] * len(shape))
    fixed = warp(moving, shift[every_second] / 2)
    ddf = adam_instance_optimization(
        fixed,
        moving,
        torch.zeros_like(shift),
        learning_rate=0.1,
        regularization=0.1,
    )
    inner: Any = (..., *[slice(8, -8)] * len(shape))
    assert (ddf[inner] - 2).abs().mean() < 0.2


def test_adam_instance_optimization_of_no_iterations_is_identity() -> None:
    initial = torch.rand(1, 3, 8, 10, 12)
    features = torch.rand(1, 2, 4, 5, 6)
    assert torch.equal(adam_instance_optimization(features, features, initial, iterations=0), initial)


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_adam_instance_optimization_of_equal_features_stays_at_zero(stride: int, centered: bool) -> None:
    features = smooth_maps((6, 7, 8))
    initial = torch.zeros(1, 3, 6 * stride, 7 * stride, 8 * stride)
    ddf = adam_instance_optimization(features, features, initial, iterations=3, stride=stride, centered=centered)
    assert torch.equal(ddf, initial)


def test_adam_instance_optimization_does_no_harm_where_nothing_is_to_gain() -> None:
    """Features equal but for rounding: Adam walks as fast as ever, yet the beginning stays the best."""
    features = smooth_maps((6, 7, 8))
    initial = torch.zeros(1, 3, 12, 14, 16)
    ddf = adam_instance_optimization(features, features * (1 + 1e-7), initial, iterations=5)
    assert ddf.abs().max() < 1e-3
    released = adam_instance_optimization(features, features * (1 + 1e-7), initial, iterations=5, scheme=REFERENCE)
    assert released.abs().max() > 0.1


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_adam_instance_optimization_works_in_every_gradient_mode(mode: Callable[[], torch.no_grad]) -> None:
    with mode():
        moving = smooth_maps((6, 7, 8), channels=1)
        fixed = smooth_maps((6, 7, 8), channels=1, seed=1)
        ddf = adam_instance_optimization(fixed, moving, torch.zeros(1, 3, 6, 7, 8), iterations=3, stride=1)
    assert ddf.abs().max() > 0
    assert not ddf.requires_grad


def test_adam_instance_optimization_of_batch_is_that_of_its_elements() -> None:
    fixed = torch.cat([smooth_maps((6, 7, 8), seed=seed) for seed in (0, 1)])
    moving = torch.cat([smooth_maps((6, 7, 8), seed=seed) for seed in (2, 3)])
    initial = torch.zeros(2, 3, 12, 14, 16)
    batch = adam_instance_optimization(fixed, moving, initial, iterations=4)
    for element in range(2):
        one = slice(element, element + 1)
        alone = adam_instance_optimization(fixed[one], moving[one], initial[one], iterations=4)
        torch.testing.assert_close(batch[one], alone, atol=1e-3, rtol=0)


def test_each_sample_of_a_batch_has_its_own_best_field() -> None:
    """Large steps of noise: which of them is the best differs from sample to sample."""
    generator = torch.Generator().manual_seed(0)
    fixed, moving = torch.randn(2, 3, 2, 6, 7, 8, generator=generator)
    initial = torch.zeros(3, 3, 12, 14, 16)
    batch = adam_instance_optimization(fixed, moving, initial, iterations=3, learning_rate=3.0, regularization=1.0)
    assert batch.flatten(1).any(1).sum() not in (0, 3)  # some stay where they began
    for k in range(3):
        one = slice(k, k + 1)
        alone = adam_instance_optimization(
            fixed[one], moving[one], initial[one], iterations=3, learning_rate=3.0, regularization=1.0
        )
        torch.testing.assert_close(batch[one], alone)


def test_adam_instance_optimization_stops_early_and_reports() -> None:
    fixed, moving = smooth_maps((6, 7, 8)), smooth_maps((6, 7, 8), seed=1)
    optimize = partial(adam_instance_optimization, fixed, moving, torch.zeros(1, 3, 12, 14, 16), 30, learning_rate=0.1)
    losses: dict[int, float] = {}
    optimize(callback=losses.__setitem__)
    assert list(losses) == list(range(1, 31))
    assert losses[30] < losses[1]
    stopped: dict[int, float] = {}
    optimize(tolerance=0.01, callback=stopped.__setitem__)
    last = max(stopped)
    assert 1 < last < 30
    assert abs(stopped[last] - stopped[last - 1]) < 0.01 * stopped[last]
    assert abs(stopped[last - 1] - stopped[last - 2]) >= 0.01 * stopped[last - 1]


def test_adam_instance_optimization_leaves_its_arguments_alone() -> None:
    fixed, moving = smooth_maps((6, 7, 8)), smooth_maps((6, 7, 8), seed=1)
    initial = torch.ones(1, 3, 6, 7, 8)
    adam_instance_optimization(fixed, moving, initial, iterations=2, stride=1)
    assert torch.equal(initial, torch.ones_like(initial))


@pytest.mark.parametrize("shape", [(24, 26, 29), (41, 50)])
def test_knots_and_parts_find_what_all_voxels_find(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]) -> None:
    compared = []
    of_samples = FeatureDistance.of_samples

    def counting(distance: FeatureDistance, ddf: Tensor, part: Part) -> Tensor:
        compared.append(ddf[0, 0].numel())
        return of_samples(distance, ddf, part)

    monkeypatch.setattr(FeatureDistance, "of_samples", counting)
    moving, motion = smooth_maps(shape), smooth_maps(tuple(n // 2 for n in shape), channels=len(shape), seed=1)
    motion = F.interpolate(motion, size=shape, mode={2: "bilinear", 3: "trilinear"}[len(shape)], align_corners=True)
    fixed = warp(moving, motion)
    optimize = partial(
        adam_instance_optimization, fixed, moving, torch.zeros_like(motion), 40, 0.2, 0.1, stride=1, centered=False
    )
    plain, sparse = optimize(), optimize(knots=2, samples=100)
    before, *after = ((warp(moving, u) - fixed).square().mean() for u in (torch.zeros_like(plain), plain, sparse))
    assert set(compared[:40]) == {moving[0, 0].numel()}
    assert max(compared[40:]) < 1.2 * moving[0, 0].numel() / 2 ** len(shape)
    assert after[0] < 0.3 * before
    assert after[1] < 1.2 * after[0]
    assert (plain - sparse).abs().mean() < 0.2 * plain.abs().mean()


def test_a_field_of_knots_is_linear_between_them() -> None:
    moving = smooth_maps((12, 14, 17))
    ddf = adam_instance_optimization(
        smooth_maps((12, 14, 17), seed=1), moving, torch.zeros(1, 3, 12, 14, 17), 3, stride=1, knots=4, regularization=0
    )
    inner = ddf[..., 4:9, 4:9, 4:13]  # the last filters reach three voxels
    rough = [inner.diff(n=2, dim=axis).abs().flatten(1).amax() for axis in (2, 3, 4)]
    free = adam_instance_optimization(
        smooth_maps((12, 14, 17), seed=1), moving, torch.zeros_like(ddf), 3, stride=1, regularization=0
    )
    assert max(rough) < 0.3 * free[..., 4:9, 4:9, 4:13].diff(n=2, dim=2).abs().max()


def test_parts_keep_the_beginning_where_nothing_is_to_gain() -> None:
    features = smooth_maps((12, 14, 16))
    initial = torch.zeros(1, 3, 12, 14, 16)
    ddf = adam_instance_optimization(features, features * (1 + 1e-7), initial, 10, stride=1, knots=2, samples=100)
    assert ddf.abs().max() < 1e-3


def test_parts_keep_what_was_found_when_they_stop_early() -> None:
    moving, motion = smooth_maps((16, 18, 20)), smooth_maps((16, 18, 20), channels=3, seed=1)
    fixed, start, steps = warp(moving, motion), torch.zeros_like(motion), []
    found = adam_instance_optimization(
        fixed,
        moving,
        start,
        80,
        0.3,
        0.1,
        stride=1,
        centered=False,
        tolerance=0.9,
        samples=100,
        callback=lambda iteration, loss: steps.append(iteration),
    )
    assert steps[-1] in range(9, 80, 8)  # where the first part is compared
    assert (warp(moving, found) - fixed).square().mean() < 0.9 * (moving - fixed).square().mean()


@pytest.mark.parametrize("iterations", [1, 5, 8, 12])
def test_the_first_part_begins_and_ends_and_its_fields_compete(iterations: int) -> None:
    """Terms say how good each field is: the one of the lowest value on the first part is kept, whatever others say."""
    shape, looked_at, told = (8, 8, 8), [], []

    def term(field: Tensor, part: Part) -> Tensor:
        looked_at.append(part)
        told.append(field.detach().mean().item())
        return 1e3 * (field.mean((1, 2, 3, 4)) + 0.3).abs() - 1e6 * (part != looked_at[0])

    features = torch.zeros(1, 1, *shape)
    found = adam_instance_optimization(
        features, features, torch.zeros(1, 3, *shape), iterations, 0.1, 0.0, stride=1, terms=[term], samples=64
    )
    order = parts_of(shape, 64)
    assert looked_at == [order[k % 8] for k in range(iterations - 1)] + [order[0]]
    compared = [mean for mean, part in zip(told, looked_at, strict=True) if part == order[0]]
    best = min(compared, key=lambda mean: abs(mean + 0.3))
    assert found.mean().item() == pytest.approx(best, abs=0.02)  # the last filters change it a little


def test_a_part_that_knows_nothing_leaves_the_grid_whole() -> None:
    moving = smooth_maps((12, 14, 16))
    shift = torch.ones(1, 3, 12, 14, 16)
    known = torch.zeros(1, 1, 12, 14, 16)
    known[:, :, 1::2] = 1
    found = adam_instance_optimization(
        warp(moving, shift), moving, torch.zeros_like(shift), 60, 0.1, 0.1, 1, known=known, knots=2, samples=100
    )
    assert (found[..., 3:-3, 3:-3, 3:-3] - shift[..., 3:-3, 3:-3, 3:-3]).abs().mean() < 0.2


def test_all_may_be_of_different_precision() -> None:
    features, start = smooth_maps((6, 7, 8)).half(), torch.zeros(1, 3, 6, 7, 8, dtype=torch.float64)
    options: dict[str, Any] = {"stride": 1, "knots": 2, "roughness": bending, "before": start.bfloat16() + 1}
    found = adam_instance_optimization(features, features, start, 3, **options)
    assert found.dtype == torch.float64
    assert found.abs().max() < 1e-6


@pytest.mark.parametrize("samples", [100, 1000, None])
def test_knots_of_a_batch_are_those_of_its_elements(samples: int | None) -> None:
    moving = torch.cat([smooth_maps((12, 14, 16), seed=seed) for seed in (0, 1)])
    fixed = warp(moving, torch.cat([0.2 * torch.ones(1, 3, 12, 14, 16), 1.5 * torch.ones(1, 3, 12, 14, 16)]))
    optimize = partial(
        adam_instance_optimization, iterations=7, learning_rate=0.1, stride=1, centered=False, knots=2, samples=samples
    )
    start = torch.zeros(2, 3, 12, 14, 16)
    alone = [optimize(fixed[[n]], moving[[n]], start[[n]]) for n in (0, 1)]
    torch.testing.assert_close(optimize(fixed, moving, start), torch.cat(alone), rtol=0, atol=1e-5)


def test_adam_instance_optimization_raises() -> None:
    features = torch.zeros(1, 2, 4, 5, 6)
    with pytest.raises(ValueError, match="expects 'knots' of 1 or more, got 0"):
        adam_instance_optimization(features, features, torch.zeros(1, 3, 8, 10, 12), knots=0)
    with pytest.raises(ValueError, match="expects 'samples' of 1 or more, got 0"):
        adam_instance_optimization(features, features, torch.zeros(1, 3, 8, 10, 12), samples=0)
    with pytest.raises(ValueError, match="cannot be stretched"):
        adam_instance_optimization(features, features, torch.zeros(1, 3, 8, 10, 12), samples=2, scheme=REFERENCE)
    with pytest.raises(ValueError, match=r"expects 'initial_ddf' of shape \(1, 3, 8, 10\), got \(1, 2, 8, 10\)"):
        adam_instance_optimization(features, features, torch.zeros(1, 2, 8, 10))
    with pytest.raises(
        ValueError, match=r"expects 'initial_ddf' of shape \(1, 3, 8, 10, 12\), got \(2, 3, 8, 10, 12\)"
    ):
        adam_instance_optimization(features, features, torch.zeros(2, 3, 8, 10, 12))
    with pytest.raises(ValueError, match=r"adam_instance_optimization\(\) expects 'iterations' of 0 or more, got -1"):
        adam_instance_optimization(features, features, torch.zeros(1, 3, 8, 10, 12), iterations=-1)
    with pytest.raises(ValueError, match=r"FeatureDistance\(\) expects 'moving_features' of shape \(1, 2, 4, 5, 6\)"):
        adam_instance_optimization(features, features[:, :1], torch.zeros(1, 3, 8, 10, 12))


@pytest.mark.parametrize(("shape", "knots"), [((16, 18), 1), ((16, 18), 2), ((17, 19), 2)])
def test_the_whole_field_is_smooth_not_what_is_added(shape: tuple[int, int], knots: int) -> None:
    """Where nothing is known, what was rough before is smoothed, and an affine field stays as it is."""
    features, nothing = torch.zeros(1, 2, *shape), torch.zeros(1, 1, *shape)
    rows, columns = torch.meshgrid(*[torch.arange(float(n)) for n in shape], indexing="ij")
    rough = torch.exp(-((rows - 8) ** 2 + (columns - 9) ** 2) / 18).expand(1, 2, *shape)
    affine = (rows - 0.5 * columns).expand(1, 2, *shape) * 0.1

    def smoothed(before: Tensor) -> Tensor:
        options: dict[str, Any] = {"roughness": bending, "before": before, "known": nothing, "stride": 1}
        zero = torch.zeros_like(before)
        return before + adam_instance_optimization(features, features, zero, 40, 0.3, 100.0, knots=knots, **options)

    assert bending(smoothed(rough)) < 0.3 * bending(rough)
    torch.testing.assert_close(smoothed(affine), affine, atol=1e-3, rtol=0)
