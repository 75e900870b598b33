"""Both scans on the grid of the fixed one, each interpolated once."""

import itertools
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from common.io import Field, grid_of, memory
from common.spatial import Grid
from common.transforms import CaseGrid, PairGridd
from common.transforms.pair_grid import check_pair_memory

SHAPE, SPACING = (5, 6, 7), (2.0, 3.0, 4.0)
KEYS = ("fixed_image", "moving_image")
ORIENTATIONS = [
    (axes, signs) for axes in itertools.permutations(range(3)) for signs in itertools.product((-1, 1), repeat=3)
]


def tilted(axes: tuple[int, ...], signs: tuple[int, ...], degrees: float = 12.0) -> torch.Tensor:
    """RAS affine whose axis n runs near the world axis ``axes[n]``, forwards or backwards."""
    rotation = Rotation.from_euler("zyx", [degrees, -degrees / 2, degrees], degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = rotation @ np.eye(3)[:, list(axes)] @ np.diag(np.multiply(signs, SPACING))
    affine[:3, 3] = (10, -20, 30)
    return torch.from_numpy(affine)


def scan(values: NDArray, affine: NDArray | torch.Tensor) -> MetaTensor:
    return MetaTensor(torch.from_numpy(values.astype(np.float32))[None], affine=torch.as_tensor(affine).double())


RANDOM = gaussian_filter(np.random.default_rng(0).normal(size=(16, 14, 18)), 1) * 100
OBLIQUE = tilted((0, 1, 2), (1, 1, 1))
FRAME = CaseGrid(region="whole", orientation="fixed")


def stacked(spacing: float | tuple[float, ...] | None = None, **data: MetaTensor | torch.Tensor) -> MetaTensor:
    return PairGridd(KEYS, CaseGrid(spacing))({"initial_transform": torch.eye(4).double(), **data})["image"]


def test_pair_gridd_on_the_fixed_grid_itself_is_a_stack() -> None:
    moving = scan(RANDOM + 1000, OBLIQUE)
    image = stacked(SPACING, fixed_image=scan(RANDOM, OBLIQUE), moving_image=moving)
    assert image.shape == (2, 16, 14, 18)
    assert image.dtype == torch.float32
    torch.testing.assert_close(image.affine, OBLIQUE)
    np.testing.assert_allclose(image[0].numpy(), RANDOM, atol=1e-2)
    np.testing.assert_allclose(image[1].numpy(), RANDOM + 1000, atol=2e-2)


def test_fields_of_view_are_told_where_one_of_them_ends() -> None:
    shifted = OBLIQUE.clone()
    shifted[:3, 3] += 4 * OBLIQUE[:3, 0]  # four voxels along the first axis, so that the grid grows by two
    pair = {"fixed_image": scan(RANDOM, OBLIQUE), "moving_image": scan(RANDOM, shifted)}
    start = {"initial_transform": torch.eye(4).double()}
    done = PairGridd(KEYS, CaseGrid(SPACING), bounded=True)({**pair, **start})["image"]
    assert done.shape == (4, 18, 14, 18)
    assert done[1::2].amin(dim=(2, 3)).tolist() == [[1] * 16 + [0] * 2, [0] * 4 + [1] * 14]
    assert done[1::2].amax(dim=(2, 3)).tolist() == [[1] * 16 + [0] * 2, [0] * 4 + [1] * 14]
    assert torch.equal(done[::2], PairGridd(KEYS, CaseGrid(SPACING))({**pair, **start})["image"])


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS[::7])
def test_convention_pair_gridd_sees_one_scan_however_it_is_stored(
    axes: tuple[int, ...], signs: tuple[int, ...]
) -> None:
    """The same voxels in another order of axes, fixed or moving, give the same two channels."""
    plain = nib.Nifti1Image(RANDOM, OBLIQUE.numpy())
    orientation = np.column_stack([axes, signs])
    turned = plain.as_reoriented(orientation)
    other = scan(np.asarray(turned.dataobj), turned.affine)
    expected = stacked(3.0, fixed_image=scan(RANDOM, OBLIQUE), moving_image=scan(RANDOM, OBLIQUE))
    image = stacked(3.0, fixed_image=other, moving_image=scan(RANDOM, OBLIQUE))
    torch.testing.assert_close(image.affine, expected.affine)
    torch.testing.assert_close(image.as_tensor()[1], expected.as_tensor()[1], atol=1e-2, rtol=0)
    inside = (slice(1, -1),) * 3  # blocks are counted from the first voxel: what is left over lies at the other end
    torch.testing.assert_close(image.as_tensor()[0][inside], image.as_tensor()[1][inside], atol=1e-2, rtol=0)


def test_pair_gridd_applies_the_initial_transform() -> None:
    """Where the moving world is the fixed one turned and shifted, both channels agree."""
    matrix = torch.eye(4).double()
    matrix[:3, :3] = torch.from_numpy(Rotation.from_euler("zyx", (30, 20, -10), degrees=True).as_matrix())
    matrix[:3, 3] = torch.tensor([100.0, -50, 20])
    flip = torch.diag(torch.tensor([-1.0, -1, 1, 1]).double())
    moving = scan(RANDOM, flip @ matrix @ flip @ OBLIQUE)
    image = stacked(4.0, fixed_image=scan(RANDOM, OBLIQUE), moving_image=moving, initial_transform=matrix)
    torch.testing.assert_close(image.as_tensor()[1], image.as_tensor()[0], atol=1e-2, rtol=0)


def test_pair_gridd_blanks_what_lies_outside_both_masks() -> None:
    masks = np.zeros((2, *RANDOM.shape))
    masks[0, 4:9], masks[1, 5:12] = 2, 1
    data = {f"{name}_image": scan(RANDOM, OBLIQUE) for name in ("fixed", "moving")}
    data |= {f"{name}_mask": scan(mask, OBLIQUE) for name, mask in zip(("fixed", "moving"), masks, strict=True)}
    image = stacked(SPACING, **data)
    np.testing.assert_allclose(image.numpy(), np.where(masks > 0, RANDOM, RANDOM.min()), atol=2e-2)


@pytest.mark.parametrize("side", ["fixed", "moving"])
def test_pair_gridd_with_one_mask_goes_on_as_the_other_scan(side: str) -> None:
    """In gray values of its own: here twice those of the other and 100 more."""
    noise = np.random.default_rng(1).normal(size=RANDOM.shape)
    mask = np.zeros_like(RANDOM)
    mask[4:9] = 2
    values = {"fixed": RANDOM, "moving": RANDOM} | {side: np.where(mask > 0, 2 * RANDOM + 100, noise)}
    data: dict[str, Any] = {f"{name}_image": scan(array, OBLIQUE) for name, array in values.items()}
    data |= {f"{side}_mask": scan(mask, OBLIQUE), "initial_transform": torch.eye(4).double()}
    done = PairGridd(KEYS, CaseGrid(SPACING))(data)
    assert torch.equal(done["counts"], torch.from_numpy(mask > 0)[None])
    masked, whole = done["image"] if side == "fixed" else reversed(done["image"])
    np.testing.assert_allclose(masked.numpy(), 2 * RANDOM + 100, atol=5e-2)
    np.testing.assert_allclose(whole.numpy(), RANDOM, atol=2e-2)


def test_pair_gridd_continues_a_scan_beyond_its_border() -> None:
    """The edge of a field of view is no edge of the body."""
    short = scan(RANDOM[:8], OBLIQUE)
    image = stacked(SPACING, fixed_image=scan(RANDOM, OBLIQUE), moving_image=short)
    np.testing.assert_allclose(image[1, 8:].numpy(), np.broadcast_to(RANDOM[7], (8, 14, 18)), atol=2e-2)


def test_pair_gridd_reaches_out_where_the_moving_scan_goes_on() -> None:
    """What moves into the fixed field of view from outside is there to be found."""
    short = OBLIQUE.clone()
    short[:3, 3] += 2 * OBLIQUE[:3, 0]
    image = stacked(SPACING, fixed_image=scan(RANDOM[2:], short), moving_image=scan(RANDOM, OBLIQUE))
    assert image.shape == (2, 15, 14, 18)  # an eighth of 14 is 1
    torch.testing.assert_close(image.affine[:3, 3], OBLIQUE[:3, 3] + OBLIQUE[:3, 0])
    np.testing.assert_allclose(image[1].numpy(), RANDOM[1:], atol=2e-2)
    np.testing.assert_allclose(image[0, 1:].numpy(), RANDOM[2:], atol=2e-2)


def test_pair_gridd_in_2d() -> None:
    affine = torch.tensor([[0.0, -3, 0, 10], [2, 0, 0, 20], [0, 0, 1, 0], [0, 0, 0, 1]]).double()
    data = {key: scan(RANDOM[0], affine) for key in KEYS}
    image = stacked((3.0, 2.0), **data, initial_transform=torch.eye(3).double())
    assert image.shape == (2, 18, 14)
    np.testing.assert_allclose(image[0].numpy(), RANDOM[0].T[::-1], atol=1e-2)
    field = Field(torch.zeros(1, 2, 18, 14), grid_of(image))
    assert field.grid.affine.tolist() == [[3, 0, 10 - 17 * 3], [0, 2, 20], [0, 0, 1]]


@pytest.mark.parametrize("dims", [2, 3])
def test_pair_gridd_can_be_the_fixed_grid_itself(dims: int) -> None:
    """Slices stay slices: no other order, no voxels more, though the moving scan goes on."""
    fixed_affine, moving_affine = tilted((2, 0, 1), (-1, 1, -1)), tilted((2, 0, 1), (-1, 1, -1))
    if dims == 2:
        fixed_affine, moving_affine = (torch.diag(torch.tensor([-2.0, -3, 4, 1])).double() for _ in range(2))
    values = RANDOM if dims == 3 else RANDOM[..., 9]
    moving_affine[:3, 3] -= moving_affine[:3, 0]  # one voxel more at the beginning
    fixed, moving = scan(values[1:], fixed_affine), scan(values + 1000, moving_affine)
    data = {"fixed_image": fixed, "moving_image": moving, "initial_transform": torch.eye(dims + 1).double()}
    image = PairGridd(KEYS, FRAME)(data)["image"]
    assert image.shape == (2, *fixed.shape[1:])
    assert torch.equal(grid_of(image).affine, grid_of(fixed).affine)
    np.testing.assert_allclose(image[0].numpy(), values[1:], atol=1e-2)
    np.testing.assert_allclose(image[1].numpy(), values[1:] + 1000, atol=2e-2)


@pytest.mark.parametrize("order", [(2, 0, 1), (0, 2, 1), (0, 1, 2)])
def test_pair_gridd_takes_slices_along_the_last_axis(order: tuple[int, ...]) -> None:
    """However a stack is stored: slices are 10 mm apart, pixels 2 and 4."""
    affine = tilted((0, 1, 2), (1, -1, 1)) @ torch.diag(torch.tensor([1, 2 / 3, 2.5, 1])).double()
    last = scan(RANDOM, affine)
    stored = scan(np.transpose(RANDOM, order), affine[:, [*order, 3]])
    still = {"initial_transform": torch.eye(4).double()}
    expected, image = (
        PairGridd(KEYS, FRAME)({"fixed_image": each, "moving_image": each, **still})["image"] for each in (last, stored)
    )
    assert image.shape == expected.shape == (2, *RANDOM.shape)
    torch.testing.assert_close(image.affine, expected.affine)
    torch.testing.assert_close(image.as_tensor(), expected.as_tensor(), atol=1e-2, rtol=0)


def test_pair_gridd_refuses_what_does_not_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spacing of a hundredth is 10^10 voxels: not even the empty grid is made."""
    monkeypatch.setattr(memory, "available_memory", lambda: 10**9)
    data = {key: scan(RANDOM, OBLIQUE) for key in KEYS} | {"initial_transform": torch.eye(4).double()}
    with pytest.raises(
        ValueError, match=r"This pair needs about .* GB of memory, 1 GB are free: choose a coarser spacing"
    ):
        PairGridd(KEYS, CaseGrid(0.01), bytes_per_voxel=100)(data)


def test_check_pair_memory_says_which_grid_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 10**9)
    small, large, huge = (Grid((size,) * 3, torch.eye(4).double()) for size in (10, 200, 300))
    check_pair_memory(small, small, 1000)
    with pytest.raises(
        ValueError, match=r"needs about 8\.48 GB of memory, 1 GB are free: choose a coarser spacing than th"
    ):
        check_pair_memory(small, large, 1000)
    with pytest.raises(
        ValueError, match=r"2\.3 GB of memory.*: resample or crop the fixed scan of 300 x 300 x 300 voxels"
    ):
        check_pair_memory(huge, small, 1000)
