"""MIND-SSC against the recorded descriptors of convexAdam and graphregnet, and against its definition."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from common.features import MINDSSC, mind, mind_ssc

Oracle = Callable[[str], dict[str, np.ndarray]]

SHAPES = [(1, 1, 9, 10, 11), (2, 1, 11, 13)]


def random_image(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("key", "arguments"),
    [
        ("convexadam_r1_d2", {"radius": 1, "dilation": 2}),
        ("convexadam_r2_d2", {"radius": 2, "dilation": 2}),
        ("graphregnet_delta1_sigma08", {"radius": 2, "dilation": 1, "sigma": 0.8}),
    ],
)
def test_mind_ssc_equals_released_code(oracle: Oracle, key: str, arguments: dict[str, Any]) -> None:
    recorded = oracle("mind_ssc")
    descriptor = mind_ssc(torch.tensor(recorded["img"]), **arguments)
    np.testing.assert_allclose(descriptor.numpy(), recorded[key], atol=1e-4)


@pytest.mark.parametrize(("shape", "channels"), list(zip(SHAPES, (12, 4), strict=True)))
def test_mind_ssc_shape_and_range(shape: tuple[int, ...], channels: int) -> None:
    descriptor = mind_ssc(random_image(*shape))
    assert descriptor.shape == (shape[0], channels, *shape[2:])
    assert descriptor.min() > 0
    torch.testing.assert_close(descriptor.amax(1), torch.ones(shape[0], *shape[2:]))


@pytest.mark.parametrize("shape", SHAPES)
def test_mind_ssc_ignores_gain_and_offset(shape: tuple[int, ...]) -> None:
    image = random_image(*shape)
    torch.testing.assert_close(mind_ssc(image), mind_ssc(40 - 7 * image), rtol=1e-4, atol=1e-4)


def test_mind_ssc_of_one_voxel_patches_by_hand() -> None:
    """With radius 0 and a single bright neighbor, a pair differs where it holds the bright voxel."""
    image = torch.zeros(1, 1, 5, 7)
    image[0, 0, 1, 3] = 1.0  # the neighbor above the voxel (2, 3)
    # pairs: left-up, right-up, down-left, down-right -> squared differences 1, 1, 0, 0, their mean 1/2
    expected = torch.tensor([np.exp(-2), np.exp(-2), 1.0, 1.0], dtype=torch.float32)
    torch.testing.assert_close(mind_ssc(image, radius=0, dilation=1)[0, :, 2, 3], expected)


def test_mind_ssc_of_flat_image_is_one() -> None:
    descriptor = mind_ssc(torch.full((1, 1, 5, 6, 7), 3.0))
    torch.testing.assert_close(descriptor, torch.ones(1, 12, 5, 6, 7))


def test_mind_ssc_of_rounding_alone_is_flat() -> None:
    """An interpolated constant is one but for its last digits, which are no structure."""
    noise = torch.rand(1, 1, 8, 9, 10, generator=torch.Generator().manual_seed(0)) - 0.5
    assert float(mind_ssc(0.5 + 1e-7 * noise).min()) > 0.95
    assert float(mind_ssc(0.5 + 1e-4 * noise).min()) < 0.5


def test_mind_ssc_compares_pairs_at_right_angles() -> None:
    for pairs, dims in ((mind.PAIRS_2D, 2), (mind.PAIRS_3D, 3)):
        assert len({frozenset(pair) for pair in pairs}) == len(pairs) == {2: 4, 3: 12}[dims]
        for first, second in pairs:
            assert sum(a * b for a, b in zip(first, second, strict=True)) == 0
            assert sum(map(abs, first)) == sum(map(abs, second)) == 1


def test_mind_ssc_does_not_depend_on_slabs(monkeypatch: pytest.MonkeyPatch) -> None:
    image = random_image(1, 1, 23, 6, 7)
    whole = mind_ssc(image, radius=2)
    monkeypatch.setattr(mind, "SLAB", 3)
    torch.testing.assert_close(mind_ssc(image, radius=2), whole)


@pytest.mark.parametrize("stride", [2, 3, 20])
@pytest.mark.parametrize("shape", [(1, 1, 60, 20, 20), (2, 1, 40, 20), (1, 1, 61, 20, 20), (1, 1, 33, 20)])
def test_coarse_features_are_means_of_blocks_whatever_the_slabs(shape: tuple[int, ...], stride: int) -> None:
    """Blocks lie within one slab of 16 slices, or fill several."""
    image = random_image(*shape)
    pool = torch.nn.functional.avg_pool3d if len(shape) == 5 else torch.nn.functional.avg_pool2d
    torch.testing.assert_close(MINDSSC()(image, stride), pool(mind_ssc(image), stride))


def test_mind_ssc_of_batch_is_that_of_its_elements() -> None:
    batch = torch.cat([random_image(1, 1, 6, 7, 8), 100 * random_image(1, 1, 6, 7, 8, seed=1) ** 3])
    alone = torch.cat([mind_ssc(image[None]) for image in batch])
    torch.testing.assert_close(mind_ssc(batch), alone)


def test_mind_ssc_lifts_half_precision() -> None:
    assert mind_ssc(random_image(1, 1, 5, 6, 7).half()).dtype == torch.float32


def test_mind_ssc_has_gradient() -> None:
    image = random_image(1, 1, 5, 6).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: mind_ssc(x, radius=1, dilation=1), image)


@pytest.mark.parametrize(("shape", "stride"), [((1, 1, 8, 12, 16), 4), ((1, 1, 9, 6), 3)])
def test_mindssc_averages_blocks(shape: tuple[int, ...], stride: int) -> None:
    image = random_image(*shape)
    whole, pooled = MINDSSC(radius=2)(image), MINDSSC(radius=2)(image, stride)
    torch.testing.assert_close(whole, mind_ssc(image, radius=2))
    assert pooled.shape[2:] == tuple(n // stride for n in shape[2:])
    block = tuple([slice(None)] * 2 + [slice(0, stride)] * (len(shape) - 2))
    torch.testing.assert_close(pooled.flatten(2)[:, :, 0], whole[block].flatten(2).mean(2))


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((1, 2, 5, 6, 7), {}, r"mind_ssc\(\) expects 'image' of shape \(1, 1, 5, 6, 7\), got \(1, 2, 5, 6, 7\)"),
        ((5, 6, 7), {}, r"mind_ssc\(\) expects 'image' of shape .* got \(5, 6, 7\)"),
        ((1, 1, 5, 6, 7), {"dilation": 0}, r"mind_ssc\(\) expects 'dilation' of 1 or more, got 0"),
        ((1, 1, 5, 6, 7), {"radius": -1}, r"mind_ssc\(\) expects 'radius' of 0 or more, got -1"),
        ((1, 1, 5, 6, 7), {"sigma": 0.0}, r"mind_ssc\(\) expects 'sigma' of more than 0 or None, got 0.0"),
    ],
)
def test_mind_ssc_raises(shape: tuple[int, ...], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mind_ssc(torch.zeros(shape), **arguments)
