"""Pre-alignment: exact where headers decide, within a voxel where scans are registered, and from ITK's files."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from scipy.spatial.transform import Rotation

from common import prealignment
from common.phantoms import torso_phantom
from common.prealignment import initial_transform, read_linear_transform
from common.prealignment.coarse import center_of_mass
from common.spatial import Grid, center_of, ras_to_lps


class Scene(NamedTuple):
    """Two scans and the transform between them."""

    scans: tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]
    points: torch.Tensor  # of the fixed scan, LPS mm, (N, d)
    matrix: torch.Tensor

    def error_mm(self, found: torch.Tensor) -> float:
        """Mean distance of a transform from the truth."""
        difference = found - self.matrix
        return float((self.points @ difference[:-1, :-1].T + difference[:-1, -1]).norm(dim=1).mean())


def make_scene(
    shape: tuple[int, ...], spacing: tuple[float, ...], scales: tuple[float, ...], offset: tuple[float, ...]
) -> Scene:
    """A torso seen twice, without deformation, in a moving world that is turned, scaled and shifted."""
    pair = torso_phantom(shape, spacing, maximum_displacement=0, seed=1)
    dims = len(shape)
    center = center_of(Grid(shape, ras_to_lps(pair.fixed_affine))).numpy()
    matrix = np.eye(dims + 1)
    rotation = Rotation.from_euler("zyx", (8, -5, 6) if dims == 3 else (8, 0, 0), degrees=True).as_matrix()
    matrix[:-1, :-1] = rotation[:dims, :dims] @ np.diag(scales)
    matrix[:-1, -1] = center - matrix[:-1, :-1] @ center + offset
    moving_affine = ras_to_lps(matrix @ ras_to_lps(pair.moving_affine).numpy())
    scans = (
        torch.from_numpy(pair.fixed_image)[None, None],
        torch.from_numpy(pair.fixed_affine),
        torch.from_numpy(pair.moving_image)[None, None],
        moving_affine,
    )
    return Scene(scans, torch.from_numpy(pair.fixed_keypoints), torch.from_numpy(matrix))


SCENES = {
    "rigid": ((28, 24, 32), (7.0, 7.0, 8.0), (1.0, 1.0, 1.0), (500.0, -300.0, 900.0)),
    "affine": ((28, 24, 32), (7.0, 7.0, 8.0), (1.1, 0.92, 1.05), (20.0, -15.0, 30.0)),
    "rigid 2-D": ((64, 56), (3.0, 4.0), (1.0, 1.0), (20.0, -15.0)),
    "affine 2-D": ((64, 56), (3.0, 4.0), (1.1, 0.92), (20.0, -15.0)),
}


@pytest.mark.parametrize("name", list(SCENES))
def test_initial_transform_recovers_within_a_voxel(name: str) -> None:
    scene = make_scene(*SCENES[name])
    kind = "rigid" if "rigid" in name else "affine"
    before = scene.error_mm(torch.eye(len(scene.matrix)).double())
    after = scene.error_mm(initial_transform(*scene.scans, kind).matrix)
    assert before > 15
    assert after < (3.0 if "2-D" in name else 7.0)


def test_initial_transform_across_fields_of_view() -> None:
    """The moving scan ends below the chest; neither the middles nor the centers of mass agree."""
    scene = make_scene((32, 28, 44), (6.0, 6.0, 7.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    fixed, fixed_affine, moving, moving_affine = scene.scans
    lps = ras_to_lps(moving_affine)
    axis = int(lps[2, :3].abs().argmax())  # the moving axis along the body
    keep = moving.shape[2 + axis] * 11 // 20
    start = 0 if lps[2, axis] > 0 else moving.shape[2 + axis] - keep
    lps[:-1, -1] += lps[:-1, axis] * start
    cropped = (fixed, fixed_affine, moving.narrow(2 + axis, start, keep), ras_to_lps(lps))
    assert scene.error_mm(initial_transform(*cropped, "moments").matrix) > 40
    assert scene.error_mm(initial_transform(*cropped, "rigid").matrix) < 6


def test_initial_transform_heeds_masks() -> None:
    """A bright table of one scan alone is masked out."""
    scene = make_scene(*SCENES["rigid"])
    fixed, fixed_affine, moving, moving_affine = scene.scans
    fixed = fixed.clone()
    fixed[:, :, :, :6] = 800 * torch.rand(fixed[:, :, :, :6].shape, generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(fixed, dtype=torch.int32)
    mask[:, :, :, :6] = 0
    found = initial_transform(fixed, fixed_affine, moving, moving_affine, "rigid", fixed_mask=mask).matrix
    assert scene.error_mm(found) < 6


def test_initial_transform_twice_is_the_same_bit_for_bit() -> None:
    scene = make_scene(*SCENES["affine 2-D"])
    first, second = (initial_transform(*scene.scans, "affine") for _ in range(2))
    assert torch.equal(first.matrix, second.matrix)
    assert first.record == second.record


AFFINE = torch.tensor([[0.0, -3, 0, 10], [2, 0, 0, 20], [0, 0, 1.5, -30], [0, 0, 0, 1]]).double()
OTHER = torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]]).double()


def spot(shape: tuple[int, ...], index: tuple[int, ...]) -> torch.Tensor:
    """One bright voxel."""
    image = torch.full((1, 1, *shape), 5.0)
    image[(0, 0, *index)] = 100
    return image


def translation(*offset: float) -> list[list[float]]:
    matrix = torch.eye(len(offset) + 1)
    matrix[:-1, -1] = torch.tensor(offset)
    return matrix.tolist()


FIXED, MOVING = spot((5, 6, 7), (1, 2, 3)), spot((4, 8, 6), (3, 0, 1))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("none", translation(0, 0, 0)),
        # middles in RAS: (2.5, 24, -25.5) and (2.5, 5.5, 5.5)
        ("center", translation(0, 18.5, 31)),
        # spots in RAS: (4, 22, -25.5) and (4, 2, 4)
        ("moments", translation(0, 20, 29.5)),
    ],
)
def test_convention_initial_transform_by_headers_is_exact(kind: str, expected: list[list[float]]) -> None:
    """Fixed to moving world points in LPS: what lies 18.5 mm further back in RAS lies 18.5 mm further on in LPS."""
    found = initial_transform(FIXED, AFFINE, MOVING, OTHER, kind).matrix
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, torch.tensor(expected).double())


def test_initial_transform_by_headers_in_2d() -> None:
    fixed, moving = spot((5, 6), (1, 2)), spot((4, 8), (3, 0))
    affine = torch.tensor([[0.0, -3, 10], [2, 0, 20], [0, 0, 1]]).double()
    other = torch.tensor([[1.0, 0, 1], [0, 1, 2], [0, 0, 1]]).double()
    for kind, expected in (("center", (0, 18.5)), ("moments", (0, 20))):
        found = initial_transform(fixed, affine, moving, other, kind).matrix
        torch.testing.assert_close(found, torch.tensor(translation(*expected)).double())


def test_center_of_mass_ignores_what_is_darker_than_the_mean() -> None:
    image = torch.tensor([[0.0, 0, 0, 0], [0, 8, 16, 0]])
    grid = Grid((2, 4), torch.tensor([[2.0, 0, 10], [0, 3, 20], [0, 0, 1]]).double())
    expected = (5 * 1 + 13 * 2) / 18  # the mean is 3
    torch.testing.assert_close(center_of_mass(image, grid), torch.tensor([12, 20 + 3 * expected]).double())


def rigid(dims: int) -> sitk.Transform:
    transform = sitk.Euler3DTransform() if dims == 3 else sitk.Euler2DTransform()
    transform.SetCenter((10.0, 20.0, 30.0)[:dims])
    transform.SetTranslation((1.0, -2.0, 3.0)[:dims])
    transform.SetParameters((0.1, 0.2, -0.3, 4, 5, 6) if dims == 3 else (0.2, 4, 5))
    return transform


def affine(dims: int) -> sitk.Transform:
    transform = sitk.AffineTransform(dims)
    transform.SetMatrix([1.1, 0.1, 0, 0, 0.9, 0.2, 0, 0, 1.2] if dims == 3 else [1.1, 0.1, 0, 0.9])
    transform.SetTranslation((-4.0, 5.0, 6.0)[:dims])
    return transform


def expected_matrix(transform: sitk.Transform, dims: int) -> torch.Tensor:
    """From where ITK itself takes points."""
    images = np.array([transform.TransformPoint(point) for point in [[0.0] * dims, *np.eye(dims).tolist()]])
    matrix = np.eye(dims + 1)
    matrix[:-1, :-1], matrix[:-1, -1] = (images[1:] - images[0]).T, images[0]
    return torch.from_numpy(matrix)


@pytest.mark.parametrize("suffix", ["tfm", "txt", "h5", "mat"])
@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("make", [rigid, affine])
def test_convention_read_linear_transform(make: type, dims: int, suffix: str, tmp_path: Path) -> None:
    transform, path = make(dims), str(tmp_path / f"a.{suffix}")
    sitk.WriteTransform(transform, path)
    torch.testing.assert_close(read_linear_transform(path, dims), expected_matrix(transform, dims))


@pytest.mark.parametrize("suffix", ["tfm", "h5"])
def test_convention_read_linear_transform_of_a_composite(suffix: str, tmp_path: Path) -> None:
    """The order matters: ITK applies the last one first."""
    composite = sitk.CompositeTransform([rigid(3), affine(3)])
    path = str(tmp_path / f"a.{suffix}")
    sitk.WriteTransform(composite, path)
    found = initial_transform(FIXED, AFFINE, MOVING, OTHER, path).matrix
    torch.testing.assert_close(found, expected_matrix(composite, 3))


def test_a_transform_is_read_without_all_of_itk(tmp_path: Path) -> None:
    """Its filters take eight seconds to load."""
    path, module = str(tmp_path / "a.tfm"), Path(prealignment.__file__).parent / "_itk_transforms.py"
    sitk.WriteTransform(rigid(3), path)
    read = f"(transform,) = runpy.run_path({str(module)!r})['read_transforms']({path!r})"
    code = f"import runpy, sys; {read}; print(transform.GetNameOfClass(), 'itk.ITKTransformPython' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["Euler3DTransform", "False"]


def test_read_linear_transform_rejects_a_missing_file() -> None:
    with pytest.raises(
        FileNotFoundError, match=r"one of none, center, moments, rigid, affine or an ITK file, got rigit"
    ):
        initial_transform(FIXED, AFFINE, MOVING, OTHER, "rigit")


@pytest.mark.parametrize("name", ["a.tfm", "a.h5", "a.png"])
def test_read_linear_transform_rejects_what_is_no_transform(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("no transform")
    with pytest.raises(ValueError, match=rf"cannot read .*{name} as an ITK transform file"):
        read_linear_transform(str(tmp_path / name), 3)


@pytest.mark.parametrize(
    ("transform", "name"),
    [
        (affine(2), "AffineTransform_double_2_2"),
        (sitk.BSplineTransform(3), "BSplineTransform"),
        (sitk.CompositeTransform([rigid(3), sitk.BSplineTransform(3)]), "(Composite|BSpline)Transform"),
    ],
)
def test_read_linear_transform_rejects_other_transforms(transform: sitk.Transform, name: str, tmp_path: Path) -> None:
    sitk.WriteTransform(transform, str(tmp_path / "a.tfm"))
    with pytest.raises(ValueError, match=rf"expects linear transforms in 3-D, got {name}.* in .*a\.tfm"):
        read_linear_transform(str(tmp_path / "a.tfm"), 3)
