"""Padding is found, cut off and leveled; what was scanned stays as it is."""

import pytest
import torch
import torch.nn.functional as F

from common.spatial import content_box, level_padding

SCAN = torch.rand(1, 1, 7, 8, 9, generator=torch.Generator().manual_seed(0)) * 100 + 1


def body_in_air(value: float) -> torch.Tensor:
    """A ball that one voxel of each face touches, in air of one value."""
    places = torch.stack(torch.meshgrid(*[torch.arange(15.0) - 7] * 3, indexing="ij"))
    return torch.where(places.norm(dim=0) <= 7, torch.rand(15, 15, 15) + 5, value)[None, None]


@pytest.mark.parametrize("value", [0.0, -1024.0, -32768.0, 50.0])
def test_content_box_leaves_padding_out(value: float) -> None:
    padded = F.pad(SCAN, (1, 2, 3, 4, 0, 6), value=value)
    assert content_box(padded) == (slice(0, 7), slice(3, 11), slice(1, 10))


def test_content_box_leaves_one_padding_around_another_out() -> None:
    inner = F.pad(SCAN, (1, 2, 3, 4, 0, 6))
    assert content_box(F.pad(inner, (2, 0, 0, 3, 0, 0), value=-3024)) == (slice(0, 7), slice(3, 11), slice(3, 12))


def test_content_box_of_a_scan_without_padding_is_the_scan() -> None:
    assert content_box(SCAN) == (slice(0, 7), slice(0, 8), slice(0, 9))


def test_content_box_keeps_one_plane_of_air_around_a_body() -> None:
    """Beyond the body is air: its tip must not be continued."""
    assert content_box(body_in_air(0)) == (slice(0, 15),) * 3
    padded = F.pad(body_in_air(0), (4,) * 6)
    assert content_box(padded) == (slice(3, 20),) * 3


@pytest.mark.parametrize(
    "image",
    [
        torch.full((1, 1, 6, 6), 3.0),
        F.pad(torch.rand(1, 1, 2, 9), (3, 3, 3, 3)),
        F.pad(torch.ones(1, 1, 7, 9), (3, 3, 3, 3)),
    ],
)
def test_content_box_of_nearly_nothing_is_the_scan(image: torch.Tensor) -> None:
    assert content_box(image) == tuple(slice(0, size) for size in image.shape[2:])


@pytest.mark.parametrize(("value", "end"), [(-2000.0, "low"), (30000.0, "high")])
def test_level_padding_makes_it_as_dark_as_air(value: float, end: str) -> None:
    """Bright padding, too: a bright frame would be the strongest edge to align."""
    scan = body_in_air(value)
    body = scan[scan != value]
    leveled = level_padding(scan)
    assert leveled[scan == value].unique().item() == pytest.approx(float(body.quantile(0.005)), abs=0.01)
    bound = float(body.quantile(0.005 if end == "low" else 0.995))
    inside = (scan != value) & ((scan > bound) if end == "low" else (scan < bound))
    assert torch.equal(leveled[inside], scan[inside])


@pytest.mark.parametrize("share", [0.35, 0.9])
def test_level_padding_sees_padding_beside_air_of_one_value(share: float) -> None:
    """The circle of a reconstruction: air is the more frequent at the border of a scan, or what lies beyond it."""
    scan = F.pad(body_in_air(0), (4,) * 6)
    columns = torch.rand(scan.shape[-1], generator=torch.Generator().manual_seed(0)).argsort()
    beyond = columns[: round(share * len(columns))]
    outside = torch.zeros_like(scan, dtype=torch.bool)
    outside[..., beyond] = scan[..., beyond] == 0
    leveled = level_padding(torch.where(outside, -32768.0, scan))
    assert leveled[outside].unique().item() >= 0
    assert torch.equal(leveled[~outside], scan[~outside])


@pytest.mark.parametrize(
    "image", [SCAN, body_in_air(5.5), torch.full((1, 1, 6, 6), 3.0), F.pad(torch.full((1, 1, 6, 6), 255.0), (9,) * 4)]
)
def test_level_padding_leaves_other_scans_alone(image: torch.Tensor) -> None:
    assert level_padding(image) is image


@pytest.mark.parametrize("function", [content_box, level_padding])
def test_surroundings_reject_other_shapes(function: type) -> None:
    with pytest.raises(ValueError, match=r"(content_box|level_padding)\(\) expects 'image' of shape .*got \(5, 6\)"):
        function(torch.zeros(5, 6))


def test_saturation_at_the_border_is_no_padding() -> None:
    """A bright structure that reaches the border, at the greatest value of 8 bits."""
    image = torch.rand(1, 1, 12, 12) * 200
    image[..., 4:8] = 255
    image[..., 3] = 240
    assert torch.equal(level_padding(image), image)
