"""Mutual information against a histogram counted pair by pair, numerical derivatives, and other contrasts."""

import pytest
import torch
from torch import Tensor

from common.optimization import (
    EXACT,
    MutualInformation,
    adam_instance_optimization,
    detail,
    mutual_information,
    parts_of,
)
from common.spatial import warp

SHAPES = [(1, 1, 6, 7, 8), (2, 1, 12, 14)]


def random_case(shape: tuple[int, ...], seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Fixed and moving image, and a field whose places lie between the voxels."""
    generator = torch.Generator().manual_seed(seed)
    fixed, moving = torch.rand(2, *shape, generator=generator, dtype=torch.float64)
    field = torch.rand(shape[0], len(shape) - 2, *shape[2:], generator=generator, dtype=torch.float64)
    return fixed, moving, 0.3 + 0.2 * field


def among_bins(values: Tensor, ends: list[float], bins: int) -> list[float]:
    low, high = ends
    return [min(max((v - low) / (high - low), 0.0), 1.0) * (bins - 1) for v in values.tolist()]


def counted(fixed: list[float], moving: list[float], bins: int) -> float:
    """Mutual information of two lists of places among bins, pair by pair."""
    joint = torch.zeros(bins, bins, dtype=torch.float64)
    for a, b in zip(fixed, moving, strict=True):
        for k in range(bins):
            for m in range(bins):
                joint[k, m] += max(0.0, 1 - abs(a - k)) * max(0.0, 1 - abs(b - m)) / len(fixed)
    chance = joint.sum(1, keepdim=True) * joint.sum(0, keepdim=True)
    some = joint > 0
    return float((joint[some] * (joint[some] / chance[some]).log()).sum())


@pytest.mark.parametrize("shape", SHAPES)
def test_mutual_information_is_that_of_the_histogram(shape: tuple[int, ...]) -> None:
    fixed, moving, ddf = random_case(shape)
    known = (torch.arange(fixed.numel()).view(shape) % 3 > 0).double()
    expected = []
    for sample in range(shape[0]):
        some = known[sample].flatten() > 0
        quantiles = [
            torch.quantile(image[sample].flatten()[some], torch.tensor([0.01, 0.99]).double())
            for image in (fixed, moving)
        ]
        # The moving values are brought among the bins before they are interpolated.
        low, high = quantiles[1].tolist()
        places = ((moving[[sample]] - low) / (high - low)).clamp(0, 1) * 4
        there = warp(places, ddf[[sample]]).flatten()[some].tolist()
        here = among_bins(fixed[sample].flatten()[some], quantiles[0].tolist(), 5)
        expected.append(counted(here, there, 5))
    information = MutualInformation(fixed, moving, known=known, bins=5, weight=2.0)(ddf)
    assert information.tolist() == pytest.approx([-2 * each for each in expected], rel=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_mutual_information_has_the_gradient_of_its_value(shape: tuple[int, ...]) -> None:
    fixed, moving, ddf = random_case(shape)
    known = (torch.arange(fixed.numel()).view(shape) % 3 > 0).double()
    information = MutualInformation(fixed, moving, known=known, bins=5, weight=3.0)
    assert torch.autograd.gradcheck(information, ddf.requires_grad_(), eps=1e-6, atol=1e-6)


def test_mutual_information_does_not_ask_what_grays_mean() -> None:
    fixed, _, ddf = random_case((1, 1, 6, 7, 8))
    still = torch.zeros_like(ddf)
    plain, gained, inverted = (
        float(MutualInformation(fixed, image)(still)) for image in (fixed, 40 * fixed - 7, 3 - fixed)
    )
    assert gained == pytest.approx(plain)
    assert inverted == pytest.approx(plain, rel=1e-6)
    assert plain < MutualInformation(fixed, fixed)(ddf).item() < 0


def test_a_sample_does_not_see_its_neighbors() -> None:
    """Also where those know less."""
    fixed, moving, ddf = (
        torch.cat([a, b]) for a, b in zip(random_case((1, 1, 6, 7, 8)), random_case((1, 1, 6, 7, 8), 1), strict=True)
    )
    known = torch.ones_like(fixed)
    known[1, ..., 2:] = 0
    both = MutualInformation(fixed, moving, known=known)(ddf)
    for k in range(2):
        one = slice(k, k + 1)
        alone = MutualInformation(fixed[one], moving[one], known=known[one])(ddf[one])
        assert torch.equal(both[one], alone)


@pytest.mark.parametrize("of_images", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("of_field", [torch.float32, torch.float64])
def test_images_and_field_may_be_of_different_precision(of_images: torch.dtype, of_field: torch.dtype) -> None:
    fixed, moving, ddf = random_case((1, 1, 6, 7, 8))
    here, there = (detail(image.to(of_images), 1, True) for image in (fixed, moving))
    found = MutualInformation(here, there)(ddf.to(of_field))
    assert found.dtype == of_field
    here, there = (detail(image, 1, True) for image in (fixed, moving))
    expected = MutualInformation(here, there)(ddf)
    assert found.item() == pytest.approx(expected.item(), abs=0.02)


def test_a_range_of_many_voxels_is_not_that_of_one_slice() -> None:
    """Of every n-th voxel all would lie in the first slice, which is empty."""
    image = torch.rand(1, 1, 447, 447, 30)
    image[..., 0] = 0
    scaled = MutualInformation(image, image).fixed
    assert scaled[..., 1:].mean() == pytest.approx(1 / 2, rel=0.05)


def test_few_voxels_have_few_bins() -> None:
    """Else all that meet once seem to determine one another."""
    fixed, moving, ddf = random_case((1, 1, 6, 7, 8))  # independent of one another
    assert -0.2 < MutualInformation(fixed, moving)(ddf).item() < 0


def test_mutual_information_of_little_is_nothing() -> None:
    fixed, moving, ddf = random_case((1, 1, 6, 7, 8))
    flat, nowhere = torch.ones_like(fixed), torch.zeros_like(fixed)
    for information in (MutualInformation(flat, moving), MutualInformation(fixed, flat)):
        assert float(information(ddf)) == pytest.approx(0, abs=1e-9)
    ddf.requires_grad_()
    unknown = MutualInformation(fixed, moving, known=nowhere)(ddf)
    unknown.backward()
    assert unknown.item() == 0
    assert ddf.grad is not None
    assert not ddf.grad.any()


def test_mutual_information_alone_finds_a_shift_between_contrasts() -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.nn.functional.avg_pool3d(torch.rand(1, 1, 24, 26, 28, generator=generator), 5, 1)
    fixed, moving = image[:, :, 2:], image[:, :, :-2].sub(0.5).abs()  # the moving content lies two voxels further
    nothing = torch.zeros_like(fixed)
    information = MutualInformation(fixed, moving, weight=12.0)
    ddf = adam_instance_optimization(
        nothing, nothing, torch.zeros(1, 3, *fixed.shape[2:]), 60, stride=1, regularization=1.0, terms=[information]
    )
    torch.testing.assert_close(
        ddf[:, :, 4:-4, 4:-4, 4:-4].mean((0, 2, 3, 4)), torch.tensor([2.0, 0.0, 0.0]), atol=0.2, rtol=0
    )


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dims", [2, 3])
def test_detail_is_the_difference_from_the_box_around(dims: int, stride: int) -> None:
    image = torch.rand(1, 1, *(12, 14, 16)[:dims], dtype=torch.float64)
    found = detail(image, stride, True)
    pool = torch.nn.functional.avg_pool3d if dims == 3 else torch.nn.functional.avg_pool2d
    coarse = pool(image, stride)
    side = mutual_information.SURROUNDINGS
    torch.testing.assert_close(found, coarse - pool(coarse, side, 1, side // 2, count_include_pad=False))
    torch.testing.assert_close(detail(image + 100, stride, True), found)


def test_mutual_information_raises() -> None:
    image, ddf = torch.rand(1, 1, 6, 7, 8), torch.zeros(1, 3, 6, 7, 8)
    with pytest.raises(TypeError, match="expects 'fixed' to be a tensor"):
        MutualInformation(None, image)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'moving'"):
        MutualInformation(image, image[:, :, 1:])
    with pytest.raises(ValueError, match="'fixed'"):
        MutualInformation(torch.rand(1, 2, 6, 7, 8), torch.rand(1, 2, 6, 7, 8))
    with pytest.raises(ValueError, match="'known'"):
        MutualInformation(image, image, EXACT, image[:, :, 1:])
    with pytest.raises(ValueError, match="'bins'"):
        MutualInformation(image, image, bins=1)
    with pytest.raises(ValueError, match="'ddf'"):
        MutualInformation(image, image)(ddf[:, :, 1:])


@pytest.mark.parametrize("shape", SHAPES)
def test_mutual_information_of_a_part_is_that_of_its_voxels(shape: tuple[int, ...]) -> None:
    """Gray values fall into the bins that all voxels of both images ask for."""
    fixed, moving, ddf = random_case(shape)
    known = torch.rand(fixed.shape, generator=torch.Generator().manual_seed(2)) > 0.3
    information = MutualInformation(fixed, moving, known=known, bins=4)
    part = parts_of(shape[2:], 30)[1]
    selected = torch.zeros_like(known)
    part.of(selected)[:] = True
    alone = MutualInformation(fixed, moving, known=known, bins=4)
    alone.known = known & selected
    ddf.requires_grad_()
    values = [information(part.of(ddf), part), alone(ddf)]
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*[torch.autograd.grad(value.sum(), ddf)[0] for value in values])


def test_what_is_not_known_may_be_no_number() -> None:
    fixed, moving, ddf = random_case(SHAPES[0])
    known = torch.ones_like(fixed)
    known[..., 5:] = 0
    expected = MutualInformation(fixed, moving, known=known)(ddf)
    fixed[..., 5:] = torch.nan
    torch.testing.assert_close(MutualInformation(fixed, moving, known=known)(ddf), expected)
