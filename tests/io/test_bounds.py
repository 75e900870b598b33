"""What a scan can be: scanners and microscopes are within the bounds, damaged headers are not."""

from pathlib import Path

import numpy as np
import pytest

from common.io.bounds import check_place, check_size, spans_space

SCAN = Path("a.nii")


def placed(*spacing: float, middle: float = 0.0) -> np.ndarray:
    affine = np.diag([*spacing, 1.0])
    affine[0, 3] = middle
    return affine


@pytest.mark.parametrize(
    ("spacing", "shape", "middle"),
    [
        ((0.9, 0.9, 1.5), (512, 512, 1300), 1000.0),  # a whole body
        ((2e-4, 2e-4, 0.05), (2048, 2048, 20), 0.0),  # a confocal stack
        ((1.5, 1.5, 100.0), (256, 256, 1), 0.0),  # a thick slab
        ((1e-5, 1e-5, 1e-5), (10, 10, 10), 0.0),
    ],
)
def test_check_place_takes_scans(spacing: tuple[float, ...], shape: tuple[int, ...], middle: float) -> None:
    check_place(SCAN, shape, placed(*spacing, middle=middle))


@pytest.mark.parametrize(
    ("spacing", "middle", "message"),
    [
        ((1e-6, 1e-6, 1e-6), 0.0, "voxels from 1e-05 to 1000 mm, got 1e-06 x 1e-06 x 1e-06 mm"),
        ((1e6, 1e6, 1e6), 0.0, r"voxels from 1e-05 to 1000 mm, got 1e\+06 x 1e\+06 x 1e\+06 mm"),
        ((0.1, 1.0, 200.0), 0.0, "voxels at most 1000 times as long as wide, got 0.1 x 1 x 200 mm"),
        ((500.0, 500.0, 500.0), 0.0, "an extent of 10000 mm at most, got 1.5e\\+04 mm"),
        ((1.0, 1.0, 1.0), 1e7, r"its middle within 100000 mm of the origin, got 1e\+07 mm"),
    ],
)
def test_check_place_names_the_value_and_the_bound(spacing: tuple[float, ...], middle: float, message: str) -> None:
    with pytest.raises(ValueError, match=f"a.nii is expected to have {message}: its header is damaged, or in another"):
        check_place(SCAN, (30, 30, 30), placed(*spacing, middle=middle))


def test_check_size() -> None:
    check_size(SCAN, (512, 512, 2000))
    with pytest.raises(ValueError, match=r"a.nii is empty: its shape is \(3, 0\)"):
        check_size(SCAN, (3, 0))
    with pytest.raises(
        ValueError, match=r"expected to have 2147483648 voxels at most, got the shape \(65535, 65535, 9\)"
    ):
        check_size(SCAN, (65535, 65535, 9))


def test_spans_space() -> None:
    assert spans_space(np.diag([1e-5, 1e3, 1.0]))
    for axes in (np.zeros((3, 3)), np.ones((2, 2)), np.diag([1.0, np.nan]), np.diag([np.inf, 1.0])):
        assert not spans_space(axes)
