"""Linear registration recovers known transforms of analytic scans."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from common.prealignment.linear_registration import Coarse, matrix_of, register_linearly

SPACING = 4.0
BLOBS = np.random.default_rng(3)
CENTERS = BLOBS.uniform(-30, 30, (12, 3))  # mm
WIDTHS = BLOBS.uniform(6, 14, 12)
HEIGHTS = BLOBS.uniform(0.3, 1, 12)
ORIGIN = np.array([10.0, -70.0, 40.0])


def blobs(points: NDArray) -> NDArray:
    """Intensity at ``(..., d)`` mm from the middle."""
    distances = ((points[..., None, :] - CENTERS[:, : points.shape[-1]]) ** 2).sum(-1)
    return (HEIGHTS * np.exp(-distances / 2 / WIDTHS**2)).sum(-1)


def scan(dims: int, matrix: NDArray, contrast: float = 1.0, side: int = 26) -> Coarse:
    """The blobs after a transform of the world, on a grid of its own, with other contrast."""
    origin = ORIGIN[:dims]
    points = np.stack(np.meshgrid(*[SPACING * np.arange(side)] * dims, indexing="ij"), axis=-1) + origin
    seen = (points - matrix[:-1, -1]) @ np.linalg.inv(matrix[:-1, :-1]).T
    values = blobs(seen - middle(dims)) ** contrast
    values = torch.from_numpy((values / values.max()).astype(np.float32))
    return Coarse(values, torch.ones_like(values, dtype=torch.bool), origin.tolist(), SPACING)


def middle(dims: int) -> NDArray:
    return ORIGIN[:dims] + SPACING * 12.5


def transform(dims: int, degrees: float, scales: tuple[float, ...], offset: tuple[float, ...]) -> NDArray:
    """Rotation and scaling about the middle, then an offset."""
    axes = Rotation.from_euler("zyx", [degrees, 0.5 * degrees, -degrees], degrees=True).as_matrix()
    axes = axes if dims == 3 else Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    matrix = np.eye(dims + 1)
    matrix[:-1, :-1] = axes[:dims, :dims] @ np.diag(scales[:dims])
    matrix[:-1, -1] = middle(dims) - matrix[:-1, :-1] @ middle(dims) + offset[:dims]
    return matrix


def error_mm(found: torch.Tensor, matrix: NDArray) -> float:
    """Largest distance of the two transforms over the blobs."""
    dims = len(matrix) - 1
    points = np.hstack([CENTERS[:, :dims] + middle(dims), np.ones((len(CENTERS), 1))])
    return float(np.linalg.norm(points @ (found.numpy() - matrix).T, axis=1).max())


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(
    ("kind", "degrees", "scales", "offset"),
    [
        ("rigid", 0.0, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)),
        ("rigid", 9.0, (1.0, 1.0, 1.0), (7.0, -5.0, 6.0)),
        ("affine", 0.0, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)),
        ("affine", -7.0, (1.12, 0.9, 1.05), (-6.0, 5.0, 7.0)),
    ],
)
def test_register_linearly_recovers(
    dims: int, kind: str, degrees: float, scales: tuple[float, ...], offset: tuple[float, ...]
) -> None:
    matrix = transform(dims, degrees, scales, offset)
    fixed, moving = scan(dims, np.eye(dims + 1)), scan(dims, matrix, contrast=0.7)
    start = torch.zeros(dims).double()
    found = register_linearly(fixed, moving, middle(dims).tolist(), start, kind)
    assert found.shape == (dims + 1, dims + 1)
    assert found.dtype == torch.float64
    assert error_mm(found, matrix) < 0.6 * SPACING
    if kind == "rigid":
        axes = found[:-1, :-1]
        torch.testing.assert_close(axes @ axes.T, torch.eye(dims).double())


def test_register_linearly_begins_at_the_start_given() -> None:
    """An offset of 60 mm, beyond the width of any blob, is out of reach without it."""
    matrix = transform(2, 5.0, (1.0, 1.0), (45.0, 40.0))
    fixed, moving = scan(2, np.eye(3)), scan(2, matrix, side=40)
    start = torch.tensor([43.0, 42.0]).double()
    assert error_mm(register_linearly(fixed, moving, middle(2).tolist(), start, "rigid"), matrix) < 2


def test_register_linearly_twice_is_the_same_bit_for_bit() -> None:
    matrix = transform(3, 5.0, (1.0, 1.1, 1.0), (3.0, 4.0, -5.0))
    fixed, moving = scan(3, np.eye(4)), scan(3, matrix)
    first, second = (
        register_linearly(fixed, moving, middle(3).tolist(), torch.zeros(3).double(), "affine") for _ in range(2)
    )
    assert torch.equal(first, second)


@pytest.mark.parametrize("masked", ["fixed", "moving"])
def test_register_linearly_heeds_masks(masked: str) -> None:
    """Half of one scan shows something else: only where it is masked out does the other half decide."""
    matrix = transform(2, 5.0, (1.0, 1.0), (6.0, -4.0))
    scans = {"fixed": scan(2, np.eye(3)), "moving": scan(2, matrix)}
    values, inside = scans[masked].values.clone(), scans[masked].inside.clone()
    values[15:] = torch.from_numpy(np.random.default_rng(0).permutation(values[15:].numpy().T).T.copy())
    inside[15:] = False
    scans[masked] = scans[masked]._replace(values=values, inside=inside)
    found = register_linearly(**scans, center=middle(2).tolist(), start=torch.zeros(2).double(), kind="rigid")
    assert error_mm(found, matrix) < 0.5 * SPACING


def test_matrix_of_by_hand() -> None:
    """ITK rotates about a center: T(p) = A (p - c) + c + t."""

    class Transform:
        def TransformPoint(self, point: list[float]) -> tuple[float, float]:  # noqa: N802
            x, y = point
            return 2 * (x - 1) + 1 + 5, 3 * (y - x) - 4

    assert matrix_of(Transform(), 2).tolist() == [[2, 0, 4], [-3, 3, -4], [0, 0, 1]]
