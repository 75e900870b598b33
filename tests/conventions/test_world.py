"""World coordinates: what this project warps is what ITK warps through the file this project writes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from common.io import Field, grid_of, read_field, write_field
from common.spatial import Grid, displacement_to_world, ras_to_lps, voxel_to_world
from common.transforms import invert_field, move_points, pull_points, warp_scan

CENTER = np.array([14.0, -30.0, 52.0])  # RAS, mm; not the origin, where mistakes would hide
SUFFIXES = ("mha", "nrrd", "nii.gz")


def affine_of(
    shape: Sequence[int], spacing: Sequence[float], degrees: Sequence[float], axes: Sequence[int], signs: Sequence[int]
) -> NDArray:
    """RAS affine ``(4, 4)`` of oblique, permuted and flipped voxel axes around one point; 2-D leaves out the third."""
    dims = len(spacing)
    rotation = Rotation.from_euler("zyx", degrees, degrees=True).as_matrix()[:dims, :dims]
    affine = np.eye(4)
    affine[:dims, :dims] = rotation @ np.eye(dims)[:, list(axes)] @ np.diag(np.multiply(signs, spacing))
    affine[:dims, 3] = CENTER[:dims] - affine[:dims, :dims] @ (np.array(shape) - 1) / 2
    return affine


def world(ddf: MetaTensor) -> Field:
    """A field given in voxels of its grid."""
    grid = grid_of(ddf)
    return Field(displacement_to_world(ddf.as_tensor()[None], grid.affine), grid, ddf.affine if ddf.ndim == 3 else None)


class Pair(NamedTuple):
    """Two scans that overlap in part, and a field between them."""

    moving: MetaTensor
    moving_label: MetaTensor
    pred: MetaTensor  # ddf on the fixed grid, voxels

    @property
    def field(self) -> Field:
        return world(self.pred)


def make_pair(fixed: tuple[tuple[int, ...], tuple], moving: tuple[tuple[int, ...], tuple]) -> Pair:
    generator = np.random.default_rng(0)
    fixed_shape, moving_shape = fixed[0], moving[0]
    fixed_affine, moving_affine = (affine_of(shape, *axes) for shape, axes in (fixed, moving))
    voxels = np.indices(moving_shape)
    waves = sum(np.sin(0.7 * (c + 1) * x + c) for c, x in enumerate(voxels))
    scan = 100 + 30 * waves + generator.normal(size=moving_shape)
    label = generator.integers(0, 9, moving_shape)
    grid = np.indices(fixed_shape)
    ddf = np.stack([0.8 * np.sin(0.25 * grid.sum(0) + c) + 0.3 * (c - 1) for c in range(len(fixed_shape))])
    return Pair(
        MetaTensor(torch.from_numpy(scan.astype(np.float32))[None], affine=torch.from_numpy(moving_affine)),
        MetaTensor(torch.from_numpy(label.astype(np.int32))[None], affine=torch.from_numpy(moving_affine)),
        MetaTensor(torch.from_numpy(ddf.astype(np.float32)), affine=torch.from_numpy(fixed_affine)),
    )


PAIRS = {
    "3-D": make_pair(
        ((5, 6, 7), ((2.0, 3.1, 1.7), (20, -15, 35), (2, 0, 1), (-1, 1, -1))),
        ((7, 5, 8), ((1.6, 2.3, 1.9), (-10, 25, 5), (1, 2, 0), (1, -1, -1))),
    ),
    "2-D": make_pair(
        ((6, 7), ((2.0, 3.1), (20, 0, 0), (1, 0), (-1, 1))),
        ((9, 8), ((2.3, 1.9), (-35, 0, 0), (0, 1), (1, -1))),
    ),
}


@pytest.fixture(params=list(PAIRS))
def pair(request: pytest.FixtureRequest) -> Pair:
    return PAIRS[request.param]


def geometry(image: MetaTensor) -> dict[str, Any]:
    """ITK's words for the affine of a channel-first image."""
    dims = image.ndim - 1
    lps = np.diag([-1, -1, 1, 1]) @ image.affine.numpy()
    spacing = np.linalg.norm(lps[:dims, :dims], axis=0)
    direction = lps[:dims, :dims] / spacing
    return {"spacing": spacing.tolist(), "direction": direction.ravel().tolist(), "origin": lps[:dims, 3].tolist()}


def to_itk(image: MetaTensor) -> sitk.Image:
    """A scan as ITK holds it: axes reversed in numpy."""
    result = sitk.GetImageFromArray(np.ascontiguousarray(image.as_tensor()[0].numpy().T))
    result.SetSpacing(geometry(image)["spacing"])
    result.SetDirection(geometry(image)["direction"])
    result.SetOrigin(geometry(image)["origin"])
    return result


def as_transform(path: Path) -> sitk.Transform:
    return sitk.DisplacementFieldTransform(sitk.ReadImage(str(path), sitk.sitkVectorFloat64))


def itk_warp(pair: Pair, image: MetaTensor, path: Path, interpolator: int, default: float) -> NDArray:
    write_field(path, pair.field)
    reference = to_itk(pair.pred)
    warped = sitk.Resample(to_itk(image), reference, as_transform(path), interpolator, default)
    return sitk.GetArrayFromImage(warped).T


def points_inside(pair: Pair, margin: float = 0.0) -> torch.Tensor:
    """Random points of the fixed grid's inside, LPS mm, ``(20, d)``."""
    generator = np.random.default_rng(1)
    shape, affine = pair.field.grid
    voxels = np.stack([generator.uniform(margin, n - 1 - margin, 20) for n in shape], axis=1)
    return voxel_to_world(torch.from_numpy(voxels), ras_to_lps(affine))


def test_convention_warp_scan_is_itk_resampling_through_our_file(pair: Pair, tmp_path: Path) -> None:
    minimum = float(pair.moving.min())
    expected = itk_warp(pair, pair.moving, tmp_path / "field.nii.gz", sitk.sitkLinear, minimum)
    warped = warp_scan(pair.moving, pair.field)[0].numpy()
    outside = (expected == minimum).mean()
    assert 0.05 < outside < 0.6, "the edge of the moving scan is to be seen"
    np.testing.assert_allclose(warped, expected, atol=2e-3)
    assert np.array_equal(warped == np.float32(minimum), expected == np.float32(minimum))


def test_convention_warped_label_is_itk_nearest_neighbor(pair: Pair, tmp_path: Path) -> None:
    expected = itk_warp(pair, pair.moving_label, tmp_path / "field.nii.gz", sitk.sitkNearestNeighbor, 0)
    warped = warp_scan(pair.moving_label, pair.field, "nearest")
    assert warped.dtype == torch.int32
    assert len(np.unique(expected)) > 5
    np.testing.assert_array_equal(warped[0].numpy(), expected)


def test_convention_warped_scan_lies_on_the_fixed_grid(pair: Pair) -> None:
    warped = warp_scan(pair.moving, pair.field)
    assert warped.shape[1:] == pair.pred.shape[1:]
    torch.testing.assert_close(warped.affine, pair.pred.affine)


def test_convention_move_points_is_itk_transform_point(pair: Pair, tmp_path: Path) -> None:
    write_field(tmp_path / "field.nii.gz", pair.field)
    transform = as_transform(tmp_path / "field.nii.gz")
    points = points_inside(pair)
    expected = [transform.TransformPoint(point) for point in points.tolist()]
    moved = move_points(points, pair.field)
    assert (moved - points).norm(dim=1).min() > 0.1
    np.testing.assert_allclose(moved.numpy(), expected, atol=1e-4)


def test_pull_points_inverts_move_points(pair: Pair) -> None:
    points = points_inside(pair)
    found = pull_points(move_points(points, pair.field), pair.field)
    assert (found.points - points).norm(dim=1).max() < 0.01


def test_convention_points_beyond_the_field_are_undefined(pair: Pair, tmp_path: Path) -> None:
    """ITK's rule, half a voxel from the outermost centers; there ITK gives the identity, we give nothing."""
    write_field(tmp_path / "field.nii.gz", pair.field)
    transform = as_transform(tmp_path / "field.nii.gz")
    points = points_inside(pair, margin=-0.8)
    moved = move_points(points, pair.field)
    unmoved = [np.allclose(transform.TransformPoint(point), point) for point in points.tolist()]
    assert 2 < sum(unmoved) < 18
    assert moved.isnan().any(dim=1).tolist() == unmoved
    found = pull_points(moved, pair.field)
    assert not (found.outside | found.folded).any()
    known = ~torch.tensor(unmoved)
    assert (found.points - points)[known].norm(dim=1).max() < 0.01
    assert found.points[~known].isnan().all()


def test_pull_points_beyond_the_field_are_marked(pair: Pair) -> None:
    lps = ras_to_lps(pair.field.grid.affine)
    shape = torch.tensor(pair.field.grid.shape).double()
    beyond = voxel_to_world(torch.stack([shape + 3, -3 - 0 * shape]), lps)  # by more than the field is long
    found = pull_points(beyond, pair.field)
    assert found.outside.tolist() == [True, True]
    assert found.folded.tolist() == [False, False]
    assert found.points.isnan().all()


def test_invert_field_brings_points_back(pair: Pair) -> None:
    dims = pair.moving.ndim - 1
    keep = [*range(dims), 3]
    coarse = pair.moving.affine[keep][:, keep]
    finer = coarse @ torch.diag(torch.tensor([0.25] * dims + [1.0])).double()
    inverse, _ = invert_field(pair.field, Grid(tuple(4 * n for n in pair.moving.shape[1:]), finer))
    points = points_inside(pair, margin=1.0)
    there = move_points(points, pair.field)
    back = (move_points(there, inverse) - points).norm(dim=1)
    assert back.isfinite().float().mean() > 0.5
    assert back.nanmedian() < 0.1


def test_convention_field_file_header(pair: Pair, tmp_path: Path) -> None:
    write_field(tmp_path / "field.nii.gz", pair.field)
    image = nib.Nifti1Image.from_filename(tmp_path / "field.nii.gz")
    shape = tuple(pair.pred.shape[1:])
    dims = len(shape)
    assert image.shape == (*shape, *[1] * (4 - dims), dims)
    assert int(image.header["intent_code"]) == 1007
    assert image.get_data_dtype() == np.float32
    assert image.header.get_xyzt_units()[0] == "mm"
    assert int(image.header["qform_code"]) == int(image.header["sform_code"]) == 1
    np.testing.assert_allclose(image.get_qform(), pair.pred.affine, atol=1e-5)
    np.testing.assert_allclose(image.get_sform(), pair.pred.affine, atol=1e-5)


def test_convention_field_file_holds_lps_millimeters(tmp_path: Path) -> None:
    """One voxel along the first axis, which runs to the left front: (-2, 1, 0) in RAS."""
    affine = np.eye(4)
    affine[:2, :2] = [[-2, 1], [1, 2]]
    ddf = torch.zeros(3, 5, 6, 7)
    ddf[0] = 1
    write_field(tmp_path / "field.nii.gz", world(MetaTensor(ddf, affine=torch.from_numpy(affine))))
    vectors = np.asarray(nib.Nifti1Image.from_filename(tmp_path / "field.nii.gz").dataobj)
    np.testing.assert_array_equal(vectors[1, 2, 3, 0], [2, -1, 0])


def test_read_field_reads_our_file(pair: Pair, tmp_path: Path) -> None:
    write_field(tmp_path / "field.nii.gz", pair.field)
    read = read_field(tmp_path / "field.nii.gz")
    assert torch.equal(read.displacement, pair.field.displacement)
    assert read.grid.shape == pair.field.grid.shape
    torch.testing.assert_close(read.grid.affine, pair.field.grid.affine, atol=1e-5, rtol=0)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_read_field_reads_what_itk_writes(pair: Pair, suffix: str, dtype: type, tmp_path: Path) -> None:
    vectors: np.ndarray = pair.field.displacement[0].numpy().astype(dtype)
    image = sitk.GetImageFromArray(np.ascontiguousarray(vectors.T), isVector=True)
    image.CopyInformation(to_itk(pair.pred))
    path = tmp_path / f"field.{suffix}"
    sitk.WriteImage(image, str(path))
    read = read_field(path)
    np.testing.assert_array_equal(read.displacement[0].numpy(), vectors.astype(np.float32))
    torch.testing.assert_close(read.grid.affine, pair.field.grid.affine, atol=1e-5, rtol=0)
