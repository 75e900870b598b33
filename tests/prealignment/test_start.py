"""A start is never worse than the headers, finds scans that lie apart or turned, and says so."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from common.phantoms import torso_phantom
from common.phantoms.torso import PhantomPair
from common.prealignment import Start, initial_transform
from common.prealignment.start import plausible, right_angles
from common.spatial import ras_to_lps

SMALL: dict[str, Any] = {"spatial_shape": (48, 40, 56), "spacing": (4.0, 4.0, 5.0), "maximum_displacement": 7.0}


def find(pair: PhantomPair, moved: np.ndarray | None = None, mirror: bool = False, **masks: torch.Tensor) -> Start:
    """The start of a pair whose moving header is moved by a matrix (LPS)."""
    images = [torch.from_numpy(image.copy())[None, None] for image in (pair.fixed_image, pair.moving_image)]
    images[1] = images[1].flip(2) if mirror else images[1]
    other = torch.from_numpy(pair.moving_affine)
    other = other if moved is None else ras_to_lps(torch.from_numpy(moved) @ ras_to_lps(other))
    return initial_transform(images[0], torch.from_numpy(pair.fixed_affine), images[1], other, "affine", **masks)


def error_mm(pair: PhantomPair, matrix: torch.Tensor, covered: slice | np.ndarray = slice(None)) -> float:
    points = pair.fixed_keypoints @ matrix[:-1, :-1].numpy().T + matrix[:-1, -1].numpy()
    return float(np.linalg.norm(points - pair.moving_keypoints, axis=1)[covered].mean())


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_choose_start_is_never_worse_than_the_headers(seed: int) -> None:
    pair = torso_phantom(**SMALL, seed=seed)
    start = find(pair)
    assert error_mm(pair, start.matrix) <= error_mm(pair, torch.eye(4).double())
    assert start.record["likeness"][start.record["taken"]] >= start.record["likeness"]["headers"]


@pytest.mark.parametrize("dims", [2, 3])
def test_choose_start_of_a_scan_against_itself_is_the_identity(dims: int) -> None:
    shape, spacing = (each[:dims] for each in list(SMALL.values())[:2])
    pair = torso_phantom(shape, spacing, 7.0)
    image, affine = torch.from_numpy(pair.fixed_image)[None, None], torch.from_numpy(pair.fixed_affine)
    start = initial_transform(image, affine, image, affine, "affine")
    assert torch.equal(start.matrix, torch.eye(dims + 1).double())
    assert start.record["taken"] == "headers"
    assert start.record["warnings"] == []


@pytest.mark.parametrize("angles", [(90, 0, 0), (180, 0, 0), (0, 90, 0), (0, 0, 180)])
def test_choose_start_finds_a_body_turned_by_right_angles(angles: tuple[int, int, int]) -> None:
    pair = torso_phantom(**SMALL)
    moved = np.eye(4)
    moved[:3, :3] = Rotation.from_euler("zyx", angles, degrees=True).as_matrix()
    start = find(pair, moved)
    assert error_mm(pair, torch.linalg.inv(torch.from_numpy(moved)) @ start.matrix) < 11
    assert any(
        "headers seem to be wrong: the scans match with the moving one turned" in w for w in start.record["warnings"]
    )


def test_choose_start_brings_together_what_the_headers_put_apart() -> None:
    pair = torso_phantom(**SMALL)
    moved = np.eye(4)
    moved[:3, 3] = (900, -700, 1500)
    start = find(pair, moved)
    assert error_mm(pair, torch.linalg.inv(torch.from_numpy(moved)) @ start.matrix) < 11
    assert any("headers put the scans apart" in warning for warning in start.record["warnings"])


def test_choose_start_says_when_it_is_doubtful() -> None:
    generator = torch.Generator().manual_seed(0)
    images = [torch.rand(1, 1, 24, 20, 28, generator=generator) for _ in range(2)]
    affine = torch.diag(torch.tensor([5.0, 5, 5, 1])).double()
    start = initial_transform(images[0], affine, images[1], affine, "affine")
    assert any("start is doubtful" in warning for warning in start.record["warnings"])


@pytest.mark.parametrize("label", [1, None])
@pytest.mark.parametrize("side", ["fixed", "moving"])
def test_choose_start_with_a_mask_of_one_scan_alone(side: str, label: int | None) -> None:
    """A mask of one organ, or of all of them, does not drive apart what it covers."""
    pair = torso_phantom(**SMALL)
    labels, affine, points = (getattr(pair, f"{side}_{name}") for name in ("label", "affine", "keypoints"))
    mask = labels > 0 if label is None else labels == label
    masks: dict[str, Any] = {f"{side}_mask": torch.from_numpy(mask)[None, None].float()}
    start = find(pair, **masks)
    to_voxel = np.linalg.inv(affine)
    voxels = (points * (-1, -1, 1)) @ to_voxel[:3, :3].T + to_voxel[:3, 3]
    covered = mask[tuple(np.rint(voxels).astype(int).T)]
    assert covered.any()
    assert error_mm(pair, start.matrix, covered) < error_mm(pair, torch.eye(4).double(), covered)


@pytest.mark.parametrize(
    ("scales", "expected"),
    [((1.2, 0.9, 1.1), True), ((1.7, 1.2, 1.2), False), ((0.6, 0.8, 0.8), False), ((1.5, 0.8, 1.0), False)],
)
def test_plausible_by_hand(scales: tuple[float, ...], expected: bool) -> None:
    rotation = torch.from_numpy(Rotation.from_euler("zyx", [30, 40, 50], degrees=True).as_matrix())
    matrix = torch.eye(4).double()
    matrix[:3, :3] = rotation @ torch.diag(torch.tensor(scales).double()) @ rotation.T
    assert plausible(matrix) == expected


@pytest.mark.parametrize(("dims", "count"), [(2, 4), (3, 24)])
def test_right_angles_are_all_of_them(dims: int, count: int) -> None:
    turned, mirrored = right_angles(dims, 1), right_angles(dims, -1)
    assert len(turned) == count - 1
    assert len(mirrored) == count
    assert {round(float(torch.linalg.det(each))) for each in turned} == {1}
    if dims == 3:
        group = {tuple(each.as_matrix().round().astype(int).flatten()) for each in Rotation.create_group("O")}
        assert {tuple(each.flatten().int().tolist()) for each in turned} | {(1, 0, 0, 0, 1, 0, 0, 0, 1)} == group
