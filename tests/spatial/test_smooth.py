import pytest
import torch
import torch.nn.functional as F

from common.spatial import mean_filter, mean_filter_inside, window_sum
from common.spatial.smooth import pooled

AVERAGE = {2: F.avg_pool2d, 3: F.avg_pool3d}


@pytest.mark.parametrize("repeats", [1, 2, 3])
def test_mean_filter_is_average_pooling(shape: tuple[int, ...], repeats: int) -> None:
    image = torch.randn(2, 3, *shape)
    expected = image
    for _ in range(repeats):
        expected = AVERAGE[len(shape)](expected, 3, stride=1, padding=1)
    torch.testing.assert_close(mean_filter(image, repeats), expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(pooled(image, repeats), expected, rtol=0, atol=0)
    elsewhere = mean_filter(image.to("meta"), repeats)  # the way of other devices than a CPU
    assert elsewhere.shape == image.shape


def test_mean_filter_spreads_a_voxel() -> None:
    image = torch.zeros(1, 1, 5, 6, 7)
    image[..., 0, 3, 4] = 27
    box = torch.zeros(5, 6, 7)
    box[:2, 2:5, 3:6] = 1
    torch.testing.assert_close(mean_filter(image)[0, 0], box)


def test_mean_filter_leaves_its_input_alone(shape: tuple[int, ...]) -> None:
    image = torch.randn(1, 1, *shape)
    before = image.clone()
    mean_filter(image, 2)
    assert torch.equal(image, before)
    assert mean_filter(image, 0) is image


@pytest.mark.parametrize("size", [1, 2])
def test_mean_filter_of_a_thin_image(size: int) -> None:
    image = torch.randn(1, 2, size, 4, 5)
    among_zeros = F.pad(image, (0, 0, 0, 0, 0, 2))
    expected = F.avg_pool3d(among_zeros, 3, stride=1, padding=1)[:, :, :size]
    torch.testing.assert_close(mean_filter(image), expected)


def test_mean_filter_takes_any_memory_order() -> None:
    image = torch.randn(1, 4, 5, 6, 7)
    strange = image.to(memory_format=torch.channels_last_3d).flip(2)
    torch.testing.assert_close(mean_filter(strange), mean_filter(image.flip(2)))


def test_mean_filter_is_its_own_adjoint(shape: tuple[int, ...]) -> None:
    first, second = torch.randn(2, 1, 2, *shape, dtype=torch.float64)
    torch.testing.assert_close((mean_filter(first) * second).sum(), (first * mean_filter(second)).sum())


def test_mean_filter_gradient(shape: tuple[int, ...]) -> None:
    image = torch.randn(1, 2, *shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda i: mean_filter(i, 2), image, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda i: mean_filter(i, 2).square(), image, fast_mode=True)


def test_mean_filter_sums_half_precision_in_float32() -> None:
    image = torch.full((1, 1, 3, 3), 30000.0, dtype=torch.float16)  # three of them overflow
    assert mean_filter(image)[0, 0, 1, 1] == 30000
    assert mean_filter(image).dtype == torch.float16


def test_mean_filter_rejects_wrong_input() -> None:
    with pytest.raises(ValueError, match=r"mean_filter\(\) expects 'image' of shape .*got \(5, 6, 7\)\."):
        mean_filter(torch.zeros(5, 6, 7))
    with pytest.raises(TypeError, match=r"mean_filter\(\) expects 'image' of floating point numbers, got torch.uint8"):
        mean_filter(torch.zeros(1, 1, 5, 6, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"mean_filter\(\) expects 'repeats' of 0 or more, got -1\."):
        mean_filter(torch.zeros(1, 1, 5, 6), -1)


@pytest.mark.parametrize("size", [1, 3, 9, 15])
def test_window_sum_is_average_pooling(shape: tuple[int, ...], size: int) -> None:
    image = torch.randn(2, 3, *shape)
    padded = F.pad(image, [size // 2] * 2 * len(shape))
    expected = AVERAGE[len(shape)](padded, size, stride=1) * size ** len(shape)
    torch.testing.assert_close(window_sum(image, size), expected, rtol=1e-5, atol=1e-4)


def test_window_sum_gradient(shape: tuple[int, ...]) -> None:
    image = torch.randn(1, 2, *shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda i: window_sum(i, 5), image, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda i: window_sum(i, 5).square(), image, fast_mode=True)


def test_window_sum_leaves_its_input_alone(shape: tuple[int, ...]) -> None:
    image = torch.randn(1, 1, *shape)
    before = image.clone()
    window_sum(image, 3)
    assert torch.equal(image, before)


@pytest.mark.parametrize("size", [0, 2, -1])
def test_window_sum_wants_an_odd_size(size: int) -> None:
    with pytest.raises(ValueError, match=r"window_sum\(\) expects 'size' to be odd and positive, got "):
        window_sum(torch.zeros(1, 1, 4, 4), size)


@pytest.mark.parametrize("repeats", [0, 1, 3])
def test_mean_filter_inside_is_pooling_that_counts_no_padding(shape: tuple[int, ...], repeats: int) -> None:
    image = torch.randn(2, 3, *shape)
    expected = image
    for _ in range(repeats):
        expected = AVERAGE[len(shape)](expected, 3, stride=1, padding=1, count_include_pad=False)
    torch.testing.assert_close(mean_filter_inside(image, repeats), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [1, 2])
def test_mean_filter_inside_of_a_thin_image(size: int) -> None:
    image = torch.randn(1, 2, 4, size, 5)
    expected = mean_filter(image) / mean_filter(torch.ones_like(image))
    torch.testing.assert_close(mean_filter_inside(image), expected)


def test_mean_filter_inside_gradient(shape: tuple[int, ...]) -> None:
    image = torch.randn(1, 2, *shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda i: mean_filter_inside(i, 2), image, fast_mode=True)


def test_mean_filter_inside_stays_precise_under_autocast(shape: tuple[int, ...]) -> None:
    image = torch.rand(1, 2, *shape) + 160
    with torch.autocast("cpu", dtype=torch.bfloat16):
        smoothed = mean_filter_inside(image, 3)
    assert smoothed.dtype == torch.float32
    torch.testing.assert_close(smoothed, mean_filter_inside(image, 3), rtol=0, atol=0)
    assert mean_filter_inside(image.half()).dtype == torch.float16


def test_mean_filter_inside_without_matrices_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.randn(2, 3, 6, 7, 8)
    expected = mean_filter_inside(image, 3)
    monkeypatch.setattr("common.spatial.smooth.LONGEST", 7)
    torch.testing.assert_close(mean_filter_inside(image, 3), expected)
    assert mean_filter_inside(image.to("meta"), 3).shape == image.shape


def test_mean_filter_inside_refuses_what_it_cannot_average() -> None:
    with pytest.raises(ValueError, match="'repeats'"):
        mean_filter_inside(torch.zeros(1, 1, 3, 3), -1)
    with pytest.raises(TypeError, match="floating point"):
        mean_filter_inside(torch.zeros(1, 1, 3, 3, dtype=torch.int64))
