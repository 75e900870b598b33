from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from common.spatial import identity_grid, sample


def far_coordinates(shape: Sequence[int], batch: int = 2) -> torch.Tensor:
    """Random places within and around a grid."""
    size = torch.tensor(shape).view(-1, *[1] * 2)
    return (torch.rand(batch, len(shape), 8, 9) * 1.6 - 0.3) * size


def referee(image: torch.Tensor, coordinates: torch.Tensor, **options: Any) -> torch.Tensor:
    items = [
        np.stack([map_coordinates(channel, places.numpy(), **options) for channel in item.numpy()])
        for item, places in zip(image, coordinates, strict=True)
    ]
    return torch.from_numpy(np.stack(items))


def test_sample_at_the_voxels_is_the_identity(shape: tuple[int, ...]) -> None:
    image = torch.rand(2, 3, *shape)
    grid = identity_grid(shape).expand(2, -1, *[-1] * len(shape))
    assert torch.equal(sample(image, grid, "nearest"), image)
    torch.testing.assert_close(sample(image, grid), image, rtol=0, atol=2e-6)


def test_sample_agrees_with_scipy_at_the_border(shape: tuple[int, ...]) -> None:
    image, coordinates = torch.rand(2, 3, *shape), far_coordinates(shape)
    expected = referee(image, coordinates, order=1, mode="nearest")
    torch.testing.assert_close(sample(image, coordinates), expected, rtol=0, atol=1e-5)


def test_sample_nearest_agrees_with_scipy(shape: tuple[int, ...]) -> None:
    image, coordinates = torch.rand(2, 3, *shape), far_coordinates(shape)
    assert torch.equal(sample(image, coordinates, "nearest"), referee(image, coordinates, order=0, mode="nearest"))


def test_sample_zeros_agrees_with_scipy(shape: tuple[int, ...]) -> None:
    image, coordinates = torch.rand(2, 3, *shape), far_coordinates(shape)
    expected = referee(image, coordinates, order=1, mode="grid-constant")
    torch.testing.assert_close(sample(image, coordinates, padding="zeros"), expected, rtol=0, atol=1e-5)


def test_sample_nearest_rounds_halves_up() -> None:
    image = torch.tensor([[[[0, 1, 2, 3]]]])
    coordinates = torch.tensor([[[0.0] * 4, [-0.5, 0.5, 1.5, 2.5]]])
    assert sample(image, coordinates, "nearest").tolist() == [[[0, 1, 2, 3]]]


def test_sample_inside_ends_half_a_voxel_out() -> None:
    image = torch.tensor([[[[5.0, 6.0, 7.0]]]])
    coordinates = torch.tensor([[[0.0] * 5, [-0.51, -0.5, 1.25, 2.5, 2.51]]])
    assert sample(image, coordinates, padding="inside", fill=-1).tolist() == [[[-1.0, 5.0, 6.25, 7.0, -1.0]]]
    assert sample(image, coordinates, "nearest", padding="inside").tolist() == [[[0.0, 5.0, 6.0, 7.0, 0.0]]]
    assert sample(image, coordinates, "nearest", padding="zeros").tolist() == [[[0.0, 5.0, 6.0, 7.0, 0.0]]]


def test_sample_zeros_fades_within_a_voxel() -> None:
    image = torch.full((1, 1, 2, 3), 8.0)
    coordinates = torch.tensor([[[0.0] * 3, [-0.25, 2.5, 3.5]]])
    torch.testing.assert_close(sample(image, coordinates, padding="zeros"), torch.tensor([[[6.0, 4.0, 0.0]]]))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int16, torch.int64, torch.float16, torch.float64])
def test_sample_nearest_keeps_every_type(dtype: torch.dtype) -> None:
    labels = torch.tensor([[[[0, 1, 97]]]]).to(dtype)
    coordinates = torch.tensor([[[0.0, 0.0], [2.2, 9.0]]])
    picked = sample(labels, coordinates, "nearest", padding="inside")
    assert picked.dtype == dtype
    assert picked.tolist() == torch.tensor([[[97, 0]]]).to(dtype).tolist()


def test_sample_nearest_keeps_labels_no_float_can_hold() -> None:
    labels = torch.tensor([[[[2**53 + 1, 2]]]])
    assert sample(labels, torch.zeros(1, 2, 1), "nearest", padding="inside").item() == 2**53 + 1


def test_sample_linear_makes_floats_of_integers() -> None:
    scan = torch.tensor([[[[-1000, 1000]]]], dtype=torch.int16)
    value = sample(scan, torch.tensor([[[0.0], [0.75]]]))
    assert value.dtype == torch.float32
    assert value.item() == 500


def test_sample_computes_half_precision_in_float32() -> None:
    ramp = torch.arange(200.0).expand(1, 1, 3, 200)
    coordinates = torch.tensor([[[1.0] * 2, [160.3, 199.0]]])
    half = sample(ramp.half(), coordinates)
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), torch.tensor([[[160.3, 199.0]]]), rtol=0, atol=0.07)  # float16 at 160


def test_sample_rounds_half_precision_in_float32() -> None:
    ramp = torch.arange(1100).expand(1, 1, 2, 1100)
    coordinates = torch.tensor([[[0.0], [1025.0]]], dtype=torch.float16)  # 1025.5 would be 1026 in float16
    assert sample(ramp, coordinates, "nearest").item() == 1025


def test_sample_stays_exact_under_autocast(shape: tuple[int, ...]) -> None:
    image, coordinates = torch.rand(2, 3, *shape), far_coordinates(shape)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = sample(image, coordinates)
    assert torch.equal(mixed, sample(image, coordinates))


def test_sample_of_points_equals_sample_of_a_grid(shape: tuple[int, ...]) -> None:
    image = torch.rand(2, 3, *shape)
    grid = identity_grid(shape) + torch.rand(2, len(shape), *shape)
    for mode in ("bilinear", "nearest"):
        points = sample(image, grid.flatten(2), mode)
        torch.testing.assert_close(points, sample(image, grid, mode).flatten(2))


@pytest.mark.parametrize("rows", [4, 5])
def test_sample_does_not_depend_on_threads(threads: int, rows: int) -> None:
    image = torch.rand(1, 2, 5, 6, 7, requires_grad=True)
    coordinates = 6 * torch.rand(1, 3, rows, 3, 2)
    coordinates.requires_grad_()
    values = sample(image, coordinates)
    gradients = torch.autograd.grad(values.square().sum(), (image, coordinates))
    single = sample(image.expand(2, -1, -1, -1, -1), coordinates.expand(2, -1, -1, -1, -1))[:1]
    expected = torch.autograd.grad(single.square().sum(), (image, coordinates))
    assert torch.equal(values, single)
    torch.testing.assert_close(gradients, expected)


@pytest.mark.parametrize("padding", ["border", "zeros", "inside"])
def test_sample_gradient(shape: tuple[int, ...], padding: str) -> None:
    image = torch.rand(1, 2, *shape, dtype=torch.float64, requires_grad=True)
    coordinates = (torch.rand(1, len(shape), 6, dtype=torch.float64) * 3 + 0.5).requires_grad_()
    assert torch.autograd.gradcheck(lambda i, c: sample(i, c, padding=padding), (image, coordinates), fast_mode=True)


def test_sample_nearest_passes_gradients_to_the_image_only(shape: tuple[int, ...]) -> None:
    image = torch.zeros(1, 1, *shape, requires_grad=True)
    coordinates = torch.ones(1, len(shape), 3, requires_grad=True)
    sample(image, coordinates, "nearest").sum().backward()
    assert image.grad is not None
    assert image.grad.sum() == image.grad[(0, 0, *[1] * len(shape))] == 3
    assert coordinates.grad is None


def test_sample_rejects_wrong_input() -> None:
    image, coordinates = torch.zeros(2, 1, 5, 6, 7), torch.zeros(2, 3, 4)
    numbers: Any = [1.0]
    pair: Any = (1.0, 2.0)
    with pytest.raises(TypeError, match=r"^sample\(\) expects 'image' to be a tensor, got list\.$"):
        sample(numbers, coordinates)
    with pytest.raises(TypeError, match=r"^sample\(\) expects 'coordinates' to be a tensor, got tuple\.$"):
        sample(image, pair)
    with pytest.raises(ValueError, match=r"'image' of shape \(B, C, H, W\) or .*got \(5, 6, 7\)\. Add the batch"):
        sample(image[0, 0], coordinates)
    with pytest.raises(ValueError, match=r"'coordinates' of shape \(2, 3, \*out\), got \(2, 2, 4\)\."):
        sample(image, coordinates[:, :2])
    with pytest.raises(ValueError, match=r"'mode' to be one of bilinear, nearest, got 'cubic'\."):
        sample(image, coordinates, "cubic")
    with pytest.raises(ValueError, match=r"'padding' to be one of .*, got 'reflection'\."):
        sample(image, coordinates, padding="reflection")
    with pytest.raises(ValueError, match=r"'fill' of 0 unless 'padding' is 'inside', got -1000 with 'zeros'\."):
        sample(image, coordinates, padding="zeros", fill=-1000)
